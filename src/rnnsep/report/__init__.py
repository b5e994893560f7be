"""The page of a run: figures, examples and tables."""

from rnnsep.running.packages import require

require("jinja2", "PIL", "vl_convert")
