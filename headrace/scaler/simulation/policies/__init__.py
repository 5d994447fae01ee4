"""Headrace's policy and those to compare with, each modelled on its documented behaviour, by users' names."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from headrace.scaler.simulation.engine import Decider
from headrace.scaler.simulation.policies.clues import Clues
from headrace.scaler.simulation.policies.cluster_autoscaler import ClusterAutoscaler
from headrace.scaler.simulation.policies.headrace import HeadracePolicy
from headrace.scaler.simulation.policies.karpenter_like import KarpenterLike
from headrace.scaler.simulation.policies.keda_scaledjob import KedaScaledJob
from headrace.scaler.simulation.policies.static import Static

POLICIES: Mapping[str, Callable[[], Decider]] = MappingProxyType(
    {
        "headrace": HeadracePolicy,
        "clues": Clues,
        "cluster-autoscaler": ClusterAutoscaler,
        "karpenter-like": KarpenterLike,
        "keda-scaledjob": KedaScaledJob,
        "static": Static,
    }
)
