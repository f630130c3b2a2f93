"""What pytest collects here."""

from importlib.util import find_spec

# `make test-ray` installs Ray, whose wheels are large, and runs this file; doctests would import
# it everywhere else.
collect_ignore = [] if find_spec("ray") else ["model_selection/ray_backend.py"]
# Doctests would import the script too that writes a release's model file, and so write it anew.
collect_ignore.append("persistence/data")
