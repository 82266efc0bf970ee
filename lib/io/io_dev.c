/* SPDX-License-Identifier: BSD-3-Clause */

#include <errno.h>
#include <linux/capability.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_pci.h>

#include "io_priv.h"

#define CAP(name) (1u << CAP_##name)

static const struct cv_io_driver drivers[] = {
	{.name = "net_af_xdp",
	 .ifkey = "iface",
	 .caps = CAP(NET_ADMIN) | CAP(NET_RAW),
	 .all_queues = true,
	 .umem = true,
	 .queues = "is another program or port on the interface, or is locked memory limited "
		   "(ulimit -l)?"},
	/* It sets the interface's MAC address, if only to the one that it has. */
	{.name = "net_af_packet",
	 .ifkey = "iface",
	 .caps = CAP(NET_ADMIN) | CAP(NET_RAW),
	 .all_queues = true},
	{.name = "net_pcap", .all_queues = true},
	{.name = "net_tap",
	 .caps = CAP(NET_ADMIN),
	 .file = "/dev/net/tun",
	 .file_hint = "modprobe tun, or let this container have it",
	 .newkey = "iface"},
	{.name = "net_memif",
	 .one_queue = true,
	 .late = true,
	 .start = "role=client needs a peer that listens already, role=server waits for one"},
	{.name = NULL},
};

const struct cv_io_driver *cv_io_driver_find(const char *device)
{
	const struct cv_io_driver *driver;

	for (driver = drivers; driver->name != NULL; driver++) {
		size_t len = strlen(driver->name);
		size_t word = strcspn(device, ",");

		while (word > 0 && device[word - 1] >= '0' && device[word - 1] <= '9')
			word--;
		if (word == len && strncmp(device, driver->name, len) == 0)
			break;
	}
	return driver;
}

int cv_io_devname_parse(const char *device, struct cv_io_devname *ret_name)
{
	struct cv_io_devname name = {0};
	struct rte_pci_addr addr;
	size_t len = strcspn(device, ",");

	if (len == 0 || len >= sizeof(name.name))
		return -EINVAL;
	memcpy(name.name, device, len);
	name.args = device[len] == ',' ? device + len + 1 : device + len;
	name.pci = rte_pci_addr_parse(name.name, &addr) == 0;
	if (name.pci)
		rte_pci_device_name(&addr, name.name, sizeof(name.name));
	*ret_name = name;
	return 0;
}

bool cv_io_kvarg(const char *args, const char *key, char *buf, size_t cap)
{
	size_t key_len = strlen(key);
	size_t len;

	while (*args != '\0') {
		len = strcspn(args, ",");
		if (len > key_len && strncmp(args, key, key_len) == 0 && args[key_len] == '=') {
			if (len - key_len - 1 >= cap)
				return false;
			memcpy(buf, args + key_len + 1, len - key_len - 1);
			buf[len - key_len - 1] = '\0';
			return true;
		}
		args += len;
		args += *args == ',';
	}
	return false;
}

static int check_caps(const struct cv_io_driver *driver, const char *device, const char *path,
		      struct cv_errs *errs)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {{CAP(NET_ADMIN), "CAP_NET_ADMIN"}, {CAP(NET_RAW), "CAP_NET_RAW"}};
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {0};
	char missing[64] = "";
	size_t i, len = 0;

	if (driver->caps == 0 || syscall(SYS_capget, &head, data) != 0)
		return 0;
	for (i = 0; i < CV_ARRAY_LEN(names); i++) {
		if ((driver->caps & names[i].bit) == 0 || (data[0].effective & names[i].bit) != 0)
			continue;
		len += (size_t)snprintf(missing + len, sizeof(missing) - len, "%s%s",
					len > 0 ? " and " : "", names[i].name);
	}
	if (len == 0)
		return 0;
	cv_errs_add(errs, path, 0, "'%s' needs %s: run as root", device, missing);
	return -EPERM;
}

static int check_file(const struct cv_io_driver *driver, const char *device, const char *path,
		      struct cv_errs *errs)
{
	if (driver->file == NULL || access(driver->file, R_OK | W_OK) == 0)
		return 0;
	cv_errs_add(errs, path, 0, "'%s' needs %s: %s: %s", device, driver->file, strerror(errno),
		    driver->file_hint);
	return -ENODEV;
}

/* The name of an interface where a device must be: likely the first thing that somebody tries. */
static bool is_iface(const char *name)
{
	return strlen(name) < IFNAMSIZ && if_nametoindex(name) != 0;
}

static int check_iface(const struct cv_io_driver *driver, const struct cv_io_devname *name,
		       const char *path, struct cv_errs *errs)
{
	struct ifreq req = {0};
	char iface[CV_IO_NAME_LEN];
	int fd, rc;

	if (driver->ifkey == NULL)
		return 0;
	if (!cv_io_kvarg(name->args, driver->ifkey, iface, sizeof(iface))) {
		cv_errs_add(errs, path, 0,
			    "'%s' needs the name of a network interface: '%s,%s=NAME'", name->name,
			    name->name, driver->ifkey);
		return -EINVAL;
	}
	if (!is_iface(iface)) {
		cv_errs_add(errs, path, 0,
			    "there is no network interface '%s' (in this network namespace)",
			    iface);
		return -ENODEV;
	}
	memcpy(req.ifr_name, iface, strlen(iface));
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return 0;
	rc = ioctl(fd, SIOCGIFFLAGS, &req);
	close(fd);
	if (rc == 0 && (req.ifr_flags & IFF_UP) == 0) {
		cv_errs_add(errs, path, 0, "network interface '%s' is down: ip link set %s up",
			    iface, iface);
		return -ENODEV;
	}
	return 0;
}

static int pci_missing(const char *addr, const char *path, const char *said, struct cv_errs *errs)
{
	char link[128], driver[256] = "";
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", addr);
	if (access(link, F_OK) != 0) {
		cv_errs_add(errs, path, 0,
			    "there is no PCI device %s: lspci -D lists what there is", addr);
		return -ENODEV;
	}
	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s/driver", addr);
	len = readlink(link, driver, sizeof(driver) - 1);
	driver[len > 0 ? len : 0] = '\0';
	cv_errs_add(errs, path, 0,
		    "PCI device %s cannot be used (kernel driver: %s)%s%s: bind it with "
		    "dpdk-devbind.py -b vfio-pci %s",
		    addr, len > 0 ? strrchr(driver, '/') + 1 : "none", said[0] != '\0' ? ": " : "",
		    said, addr);
	return -ENODEV;
}

static void vdev_refused(const struct cv_io_devname *name, const char *path, const char *said,
			 struct cv_errs *errs)
{
	const struct cv_io_driver *driver = cv_io_driver_find(name->name);
	/* The vdev bus takes a name for its own only if it begins with a driver's. */
	bool unknown = strstr(said, "failed to parse device") != NULL;
	char iface[CV_IO_NAME_LEN];

	if (unknown && is_iface(name->name))
		cv_errs_add(errs, path, 0,
			    "'%s' is a network interface; the device on it is "
			    "'net_af_xdp0,iface=%s', or slower 'net_af_packet0,iface=%s'",
			    name->name, name->name, name->name);
	else if (unknown)
		cv_errs_add(errs, path, 0, "DPDK has no driver '%.*s' (installed)",
			    (int)strcspn(name->name, "0123456789"), name->name);
	else if (driver->newkey != NULL &&
		 cv_io_kvarg(name->args, driver->newkey, iface, sizeof(iface)) && is_iface(iface))
		cv_errs_add(errs, path, 0,
			    "'%s' makes its interface, and there is a '%s' already: name another, "
			    "or use 'net_af_xdp0,iface=%s'",
			    name->name, iface, iface);
	else
		cv_errs_add(errs, path, 0, "'%s' cannot be made: %s", name->name,
			    said[0] != '\0' ? said : "its driver does not say why");
}

static int probe_vdev(const struct cv_io_devname *name, const char *path, struct cv_io_log *log,
		      struct cv_errs *errs)
{
	cv_io_log_reset(log);
	if (rte_eal_hotplug_add("vdev", name->name, name->args) == 0)
		return 0;
	vdev_refused(name, path, cv_io_log_text(log), errs);
	return -ENODEV;
}

int cv_io_device_iface(const char *device, char *ret_iface, size_t cap)
{
	const struct cv_io_driver *driver = cv_io_driver_find(device);
	struct cv_io_devname name;

	ret_iface[0] = '\0';
	if (!driver->umem || cv_io_devname_parse(device, &name) != 0 ||
	    !cv_io_kvarg(name.args, driver->ifkey, ret_iface, cap))
		return -EINVAL;
	return 0;
}

int cv_io_dev_probe(struct cv_io_dev *dev, const char *device, const char *path,
		    struct cv_io_log *log, struct cv_errs *errs)
{
	struct cv_io_devname name;
	int rc;

	if (cv_io_devname_parse(device, &name) != 0) {
		cv_errs_add(errs, path, 0, "'%s' is neither a PCI address nor the name of a vdev",
			    device);
		return -EINVAL;
	}
	dev->driver = cv_io_driver_find(device);
	dev->pci = name.pci;
	/* Already there: PCI devices, and vdevs from the EAL's own arguments. */
	if (rte_eth_dev_get_port_by_name(name.name, &dev->id) == 0)
		return 0;
	if (name.pci)
		return pci_missing(name.name, path, cv_io_log_text(log), errs);
	rc = check_caps(dev->driver, name.name, path, errs);
	if (rc == 0)
		rc = check_file(dev->driver, name.name, path, errs);
	if (rc == 0)
		rc = check_iface(dev->driver, &name, path, errs);
	if (rc == 0)
		rc = probe_vdev(&name, path, log, errs);
	if (rc != 0)
		return rc;
	if (rte_eth_dev_get_port_by_name(name.name, &dev->id) != 0) {
		cv_errs_add(errs, path, 0, "'%s' is not an Ethernet device", name.name);
		return -ENODEV;
	}
	return 0;
}
