/* SPDX-License-Identifier: BSD-3-Clause */

/* Interfaces shared with the host, if the configuration has them. */

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "cv_conf.h"
#include "cv_io.h"
#include "cv_model.h"
#include "cv_plan.h"
#include "cv_steer.h"

#include "app.h"

/* Beside those of endpoints: IPs of load balancers' nodes; of VPCs two DNS servers and a VTEP each. */
#define ADDRS_BESIDE (CV_PLAN_PATHS_NODES * CV_MODEL_NODE_IPS_MAX + 3 * CV_VIEW_NO_VPC)

/* All devices of a port must lead to one interface: the program on it is the port's. */
static int iface_get(const struct cv_conf_port *port, const char *path, struct cv_errs *errs,
		     char *ret_iface)
{
	char iface[IF_NAMESIZE];

	for (uint32_t i = 0; i < port->n_devices; i++) {
		if (cv_io_device_iface(port->devices[i], iface, sizeof(iface)) != 0) {
			cv_errs_add(errs, path, 0,
				    "only devices net_af_xdp with iface=NAME share an interface "
				    "with the host, '%s' does not",
				    port->devices[i]);
			return -EINVAL;
		}
		if (i > 0 && strcmp(iface, ret_iface) != 0) {
			cv_errs_add(errs, path, 0,
				    "the devices of a port that shares its interface with the host "
				    "must have one interface, not '%s' and '%s'",
				    ret_iface, iface);
			return -EINVAL;
		}
		memcpy(ret_iface, iface, sizeof(iface));
	}
	return 0;
}

int app_steer_start(const struct cv_conf *conf, struct cv_errs *errs, struct cv_steer **steers)
{
	const uint32_t n_max = conf->limits.endpoints * CV_PLAN_PATHS_EACH + ADDRS_BESIDE;
	char path[CV_ERR_PATH_LEN], iface[IF_NAMESIZE] = "";
	int ret = 0;

	for (uint32_t i = 0; i < conf->dpdk.n_ports && ret == 0; i++) {
		if (!conf->dpdk.ports[i].steering)
			continue;
		snprintf(path, sizeof(path), "dpdk.ports[%u].steering", i);
		ret = iface_get(&conf->dpdk.ports[i], path, errs, iface);
		if (ret == 0)
			ret = cv_steer_create(iface, path, n_max, errs, &steers[i]);
	}
	return ret;
}
