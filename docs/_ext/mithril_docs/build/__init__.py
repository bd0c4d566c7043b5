"""From what the store holds to what the site shows: plain values in, plain values out."""
