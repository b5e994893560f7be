"""Published systems: each file has the values that it changes in params.yaml, and their sources.

A preset lists every value that its paper states, even defaults, so that new defaults do not change it. Other values are
marked "our choice". `like` names a preset whose changes come first; `about` is its line in `rnnsep preset --list`.
"""
