"""Generated from protos/proto by `hatch run gen`: do not edit."""
