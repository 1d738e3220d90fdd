"""What people and monitors see of an agent, and how they command it.

Everything shown comes from a ``Snapshot`` or from the answer to a question; everything done is an event. This
package touches nothing else, so looking cannot harm and every command has the one way in.
"""

from zoned.status.access import AccessRules
from zoned.status.api import AgentView, status_app
from zoned.status.metrics import Metrics

__all__ = ["AccessRules", "AgentView", "Metrics", "status_app"]
