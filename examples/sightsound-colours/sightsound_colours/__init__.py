"""An example of plug-ins for sightsound: an encoder and a source of its own."""
