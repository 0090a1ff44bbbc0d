"""What packs, backends and apps are tested with: contracts to run, and a model that follows a script."""

from emma_core.testing.scripted import Calls, Fails, Returns, Says, ScriptedModel, ScriptedPack

__all__ = ["Calls", "Fails", "Returns", "Says", "ScriptedModel", "ScriptedPack"]
