"""The look of a film: colour, light, contrast, motion and the length of its shots, as one vector a shot."""
