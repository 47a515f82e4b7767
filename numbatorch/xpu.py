"""Intel GPUs, as programs ask for them: there is none in this build."""

from .absent import face

globals().update(face("xpu", classes="XPUGraph XPUPluggableAllocator graph".split()))
