// The words of a text as the search knows them. The build indexes with this file, and the browser reads queries with it.
(() => {
  "use strict";
  const stemmer = new EnglishStemmer();
  const stems = new Map();
  const stemOf = (word) => {
    if (!stems.has(word)) stems.set(word, /\d/.test(word) || word.length < 4 ? word : stemmer.stemWord(word));
    return stems.get(word);
  };
  const STOP = new Set(
    ("a an and are as at be been but by can could did do does for from had has have how i if in into is it its me my of on or our " +
      "should so than that the their them then there these they this to was we were what when where which who why will with would you your").split(" "),
  );
  const WORD = /[\p{L}\p{N}_]+/gu;
  const PART = /\p{Lu}?\p{Ll}+|\p{Lu}+(?!\p{Ll})|\p{N}+\p{L}?|\p{L}+/gu;

  // Stems of words; of an identifier (`safe_shapes`, `LayerNorm`) the whole, which is a name and not stemmed, and its parts.
  const wordsOf = (text) => {
    const found = [];
    for (const [word] of text.normalize("NFKC").matchAll(WORD)) {
      const whole = word.replaceAll("_", "").toLowerCase();
      if (!whole) continue;
      const parts = word.split("_").flatMap((piece) => piece.match(PART) ?? []).map((part) => part.toLowerCase());
      if (parts.length > 1) found.push(whole, ...parts.filter((part) => part.length > 1 && !STOP.has(part)).map(stemOf));
      else if (!STOP.has(whole)) found.push(stemOf(whole));
    }
    return found;
  };

  // A name without what people write in several ways: `layer_norm`, `Layer Norm` and `LayerNorm` are one.
  const squash = (text) => text.toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");

  // The sections that hold a word, as text: how far each is from the one before, and a "!" for each time but the first.
  // The last digit of a number is one of the first 64; those before it are of the others.
  const DIGITS = Array.from({ length: 92 }, (_, i) => String.fromCharCode(i + 35)).filter((sign) => sign !== '"' && sign !== "\\").join("");
  const [LAST, MORE] = [DIGITS.slice(0, 64), DIGITS.slice(64)];
  const pack = (sections) => {
    let next = 0;
    return [...sections].map(([section, times]) => {
      let rest = section - next;
      next = section + 1;
      let text = LAST[rest % LAST.length];
      for (rest = Math.floor(rest / LAST.length); rest; rest = Math.floor((rest - 1) / MORE.length)) text = MORE[(rest - 1) % MORE.length] + text;
      return text + "!".repeat(times - 1);
    }).join("");
  };
  const unpack = (text) => {
    const found = [];
    let [next, rest] = [0, 0];
    for (const sign of text) {
      const last = LAST.indexOf(sign);
      if (sign === "!") found.push(found.at(-1));
      else if (last < 0) rest = rest * MORE.length + MORE.indexOf(sign) + 1;
      else {
        found.push(next + rest * LAST.length + last);
        [next, rest] = [found.at(-1) + 1, 0];
      }
    }
    return found;
  };

  globalThis.mithrilWords = { wordsOf, squash, pack, unpack };
})();
