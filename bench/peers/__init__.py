"""The same POST /order as other people would write it: validate, insert, produce, answer."""
