"""Fill the placeholders of deploy/config from the environment: render_config.py SOURCE TARGET."""

import os
import shutil
import sys
from pathlib import Path
from string import Template

source, target = Path(sys.argv[1]), Path(sys.argv[2])
target.mkdir(parents=True, exist_ok=True)
for file in source.glob("*.yaml"):
    (target / file.name).write_text(Template(file.read_text()).safe_substitute(os.environ))
if (source / "words").is_dir():
    shutil.copytree(source / "words", target / "words", dirs_exist_ok=True)
