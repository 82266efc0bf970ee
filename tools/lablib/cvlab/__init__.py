# SPDX-License-Identifier: BSD-3-Clause
"""Labs for culvert: network namespaces, real peers, and culvertd between them.

Standard library only. Modules: proc (processes, namespaces), state (what a lab must give back),
topo (configuration to hosts), region (configurations), lab (build and remove), peers (servers),
culvertd (the appliance), client (HTTP requests), conns (very many connections),
ppv2 (PROXY v2, written apart from culvert's own).
"""
