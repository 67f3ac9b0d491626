"""Profiles for production agents: no plotting or Jupyter package is loaded."""

from .turns.live_policy import attach_policy
from .turns.profile import BadProfile, Profile, load_profile, save_profile, to_yaml

__all__ = ["BadProfile", "Profile", "attach_policy", "load_profile", "save_profile", "to_yaml"]
