/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A VPC's attachment by VXLAN: what its frames are wrapped in.
 *
 * @threads as cv_model.h
 * @source  RFC 7348
 */

#include <stdint.h>

#include "cv_net.h"

/** Most remote VTEPs of a VPC. */
#define CV_MODEL_PEERS_MAX 1024

/** The tunnel of a VPC. The network that carries it is the port, or the VLAN, of the attachment. */
struct cv_model_vxlan {
	uint32_t vni;      /**< 1..16777215; 0: the VPC is not in VXLAN */
	cv_be32_t vtep;    /**< our address in the network that carries it */
	cv_be32_t gateway; /**< router to the peers; 0: they are on the link */
	cv_be32_t
		*peers; /**< shape [n_peers]: remote VTEPs; targets and gateways are behind them */
	uint32_t n_peers;
};
