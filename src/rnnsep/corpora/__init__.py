"""Where songs come from, each left as the same tree."""
