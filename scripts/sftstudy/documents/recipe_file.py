"""Reading recipes/{student}/{task}/{trial}.yaml."""

from pathlib import Path

import yaml

from sftstudy.documents.recipe import Recipe
from sftstudy.documents.shapes import require
from sftstudy.files.reading import read_text


def read_recipe(file: Path) -> Recipe:
    """Return a recipe; a `StudyError` names the key of what is amiss."""
    recipe: Recipe = yaml.safe_load(read_text(file))
    require(recipe, Recipe, str(file))
    return recipe
