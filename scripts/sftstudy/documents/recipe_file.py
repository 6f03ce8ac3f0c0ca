"""Reading recipes/{student}/{task}/{trial}.yaml."""

from pathlib import Path

from sftstudy.documents.recipe import Recipe
from sftstudy.documents.shapes import require
from sftstudy.files.strict_yaml import read_yaml


def read_recipe(file: Path) -> Recipe:
    """Return a recipe; a `StudyError` names the key of what is amiss."""
    recipe: Recipe = read_yaml(file, advice="delete it and make it again")
    require(recipe, Recipe, str(file))
    return recipe
