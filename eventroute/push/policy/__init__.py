"""How events are delivered to one subscription, as values: checked, and read from JSON."""

from eventroute.push.policy.policy import DeliveryPolicy

__all__ = ["DeliveryPolicy"]
