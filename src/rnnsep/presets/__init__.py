"""Published systems, each a file of what it changes in params.yaml, and the source of each value.

What a paper states is in its file even where it is what params.yaml says today, so that other defaults leave it as it
is. What no paper states is "our choice". `like` names a preset whose changes come first; `about` is for the list.
"""
