"""What the extension makes in the scene: functions on Blender data, called by the operators."""
