"""What Blender's side and the worker share: files and arithmetic on numpy and mrcfile only."""
