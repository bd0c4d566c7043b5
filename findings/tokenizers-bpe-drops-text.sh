#!/usr/bin/env bash
# tokenizers 0.23.3.
# A BPE tokenizer trained without an unk_token drops what it has not seen: no token, no error, and the ids decode to a text
# without it. ByteLevel does not help: BpeTrainer's alphabet is what the training text holds unless initial_alphabet is given,
# so a byte that did not occur there is dropped as well.
# Expected: an error (Unigram raises one without an unknown token), and every byte known to a byte-level tokenizer.
# Seen: "hello 42 world" -> ByteLevel "hello  world"; with initial_alphabet "hello 42 world"; Unigram raises.
set -euo pipefail
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3.12 -m venv "$dir/venv"
"$dir/venv/bin/pip" install -q tokenizers==0.23.3
out=$("$dir/venv/bin/python" - <<'PY'
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers


def there_and_back(model, trainer, pre_tokenizer, decoder=None):
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    if decoder:
        tokenizer.decoder = decoder
    tokenizer.train_from_iterator(["hello world hello"], trainer)
    try:
        return repr(tokenizer.decode(tokenizer.encode("hello 42 world").ids))
    except Exception as error:
        return f"raises {type(error).__name__}"


alphabet = pre_tokenizers.ByteLevel.alphabet()
bytes_of = pre_tokenizers.ByteLevel(add_prefix_space=False)
for options in ({}, {"initial_alphabet": alphabet}):
    trainer = trainers.BpeTrainer(show_progress=False, **options)
    print("byte level", there_and_back(models.BPE(), trainer, bytes_of, decoders.ByteLevel()))
words = pre_tokenizers.Whitespace()
print("bpe", there_and_back(models.BPE(), trainers.BpeTrainer(show_progress=False), words))
print("unigram", there_and_back(models.Unigram(), trainers.UnigramTrainer(show_progress=False), words))
PY
)
want="byte level 'hello  world'
byte level 'hello 42 world'
bpe 'hello world'
unigram raises Exception"
if [ "$out" != "$want" ]; then
  echo "changed: 'hello 42 world' there and back:" $out
  exit 1
fi
echo "still so: a BPE tokenizer drops what its training text did not hold, byte level or not"
