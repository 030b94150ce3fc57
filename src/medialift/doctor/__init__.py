"""Doctor: does this host have everything that its jobs need, and what to do where it does not?"""

from medialift.doctor.finding import Finding
from medialift.doctor.host import Host
from medialift.doctor.rounds import examine

__all__ = ["Finding", "Host", "examine"]
