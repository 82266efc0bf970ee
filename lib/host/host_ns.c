/* SPDX-License-Identifier: BSD-3-Clause */

/* One namespace in the kernel: made, changed, closed. @source namespaces(7), rtnetlink(7), tuntap.rst */

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cv_base.h"
#include "host_priv.h"

#define DEVICE "culvert0"

/* Notes what failed. @return -errno */
static int failed(struct host_why *why, const char *fmt, ...) CV_PRINTF(2, 3);

static int failed(struct host_why *why, const char *fmt, ...)
{
	int err = errno;
	char what[CV_HOST_TEXT_LEN / 2];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	snprintf(why->text, sizeof(why->text), "%s: %s%s", what, strerror(err),
		 err == EPERM || err == EACCES ? " (CAP_SYS_ADMIN and CAP_NET_ADMIN are needed)"
					       : "");
	return -err;
}

/* ---- sysctl: of the namespace that the thread is in ---- */

static int sysctl_set(const char *name, const char *value, struct host_why *why)
{
	char path[96];
	size_t len = strlen(value);
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/%s", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return failed(why, "%s", path);
	if (write(fd, value, len) != (ssize_t)len)
		ret = failed(why, "%s", path);
	close(fd);
	return ret;
}

static int ports_set(const struct host_spec *spec, struct host_why *why)
{
	char range[16];
	int ret;

	/* The kernel takes an empty line for "none", but no empty write. */
	ret = sysctl_set("ipv4/ip_local_reserved_ports",
			 spec->reserved[0] != '\0' ? spec->reserved : "\n", why);
	snprintf(range, sizeof(range), "%u %u", spec->ports.first, spec->ports.last);
	return ret == 0 ? sysctl_set("ipv4/ip_local_port_range", range, why) : ret;
}

/* What the namespace may have inherited, or has by itself. Without these it works, too. */
static void sysctls_tidy(void)
{
	struct host_why why;

	(void)sysctl_set("ipv6/conf/all/disable_ipv6", "1", &why);
	(void)sysctl_set("ipv4/ip_forward", "0", &why);
	(void)sysctl_set("ipv4/conf/all/rp_filter", "0", &why);
	(void)sysctl_set("ipv4/conf/default/rp_filter", "0", &why);
	/* Checks come again and again to the same few ports. */
	(void)sysctl_set("ipv4/tcp_tw_reuse", "1", &why);
}

/* ---- netlink ---- */

/* A request about an address or a route, with room for its attributes. */
struct request {
	struct nlmsghdr head;
	union {
		struct ifaddrmsg addr;
		struct rtmsg route;
	};
	uint8_t attrs[64];
};

static void attr_add(struct request *req, uint16_t type, uint32_t value)
{
	struct rtattr *attr =
		(struct rtattr *)(void *)((uint8_t *)req + NLMSG_ALIGN(req->head.nlmsg_len));

	attr->rta_type = type;
	attr->rta_len = RTA_LENGTH(sizeof(value));
	memcpy(RTA_DATA(attr), &value, sizeof(value));
	req->head.nlmsg_len = NLMSG_ALIGN(req->head.nlmsg_len) + RTA_SPACE(sizeof(value));
}

/* Sends a request and takes its acknowledgement. @return 0, or -1 with errno */
static int request_do(int nl_fd, struct request *req)
{
	struct {
		struct nlmsghdr head;
		struct nlmsgerr err;
		uint8_t rest[256];
	} answer;
	ssize_t n;

	req->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(nl_fd, req, req->head.nlmsg_len, 0) < 0)
		return -1;
	n = recv(nl_fd, &answer, sizeof(answer), 0);
	if (n < 0)
		return -1;
	if ((size_t)n < sizeof(answer.head) + sizeof(answer.err) ||
	    answer.head.nlmsg_type != NLMSG_ERROR) {
		errno = EPROTO;
		return -1;
	}
	errno = -answer.err.error;
	return errno == 0 ? 0 : -1;
}

/* What addr_set() is handed. */
struct addr_job {
	const struct host_kernel *kernel;
	struct host_why *why;
};

static int addr_set(void *arg, cv_be32_t ip, bool add)
{
	const struct addr_job *job = arg;
	struct request req = {
		.head =
			{
				.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg)),
				.nlmsg_type = add ? RTM_NEWADDR : RTM_DELADDR,
				.nlmsg_flags = add ? NLM_F_CREATE | NLM_F_REPLACE : 0,
			},
		.addr =
			{
				.ifa_family = AF_INET,
				.ifa_prefixlen = 32,
				.ifa_index = (uint32_t)job->kernel->ifindex,
			},
	};
	char text[CV_NET_STR_LEN];

	attr_add(&req, IFA_LOCAL, ip);
	attr_add(&req, IFA_ADDRESS, ip);
	if (request_do(job->kernel->nl_fd, &req) == 0 || (!add && errno == EADDRNOTAVAIL))
		return 0;
	return failed(job->why, "address %s", cv_ip4_str(ip, text));
}

/* Everything leaves by the device: which station is next is found where the packet leaves culvert. */
static int route_add(const struct host_kernel *kernel, struct host_why *why)
{
	struct request req = {
		.head =
			{
				.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
				.nlmsg_type = RTM_NEWROUTE,
				.nlmsg_flags = NLM_F_CREATE | NLM_F_REPLACE,
			},
		.route =
			{
				.rtm_family = AF_INET,
				.rtm_table = RT_TABLE_MAIN,
				.rtm_protocol = RTPROT_STATIC,
				.rtm_scope = RT_SCOPE_LINK,
				.rtm_type = RTN_UNICAST,
			},
	};

	attr_add(&req, RTA_OIF, (uint32_t)kernel->ifindex);
	return request_do(kernel->nl_fd, &req) == 0 ? 0 : failed(why, "default route");
}

/* ---- the device ---- */

static int link_up(int fd, const char *name, struct host_why *why)
{
	struct ifreq ifr = {0};

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return failed(why, "interface %s", name);
	ifr.ifr_flags |= IFF_UP;
	return ioctl(fd, SIOCSIFFLAGS, &ifr) < 0 ? failed(why, "interface %s", name) : 0;
}

/* An rtnetlink socket is as good as any other for these requests. */
static int mtu_set(int fd, uint16_t mtu, struct host_why *why)
{
	struct ifreq ifr = {.ifr_name = DEVICE, .ifr_mtu = mtu};

	return ioctl(fd, SIOCSIFMTU, &ifr) < 0 ? failed(why, "MTU %u", mtu) : 0;
}

static int device_open(struct host_kernel *kernel, struct host_why *why)
{
	struct ifreq ifr = {.ifr_name = DEVICE, .ifr_flags = IFF_TUN | IFF_NO_PI};

	kernel->tun_fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (kernel->tun_fd < 0)
		return failed(why, "/dev/net/tun");
	if (ioctl(kernel->tun_fd, TUNSETIFF, &ifr) < 0)
		return failed(why, "/dev/net/tun: interface");
	if (ioctl(kernel->nl_fd, SIOCGIFINDEX, &ifr) < 0)
		return failed(why, "interface %s", DEVICE);
	kernel->ifindex = ifr.ifr_ifindex;
	return 0;
}

static int device_fill(const struct host_kernel *kernel, const struct host_spec *spec,
		       struct host_why *why)
{
	struct addr_job job = {.kernel = kernel, .why = why};
	int ret = mtu_set(kernel->nl_fd, spec->mtu, why);

	if (ret == 0)
		ret = link_up(kernel->nl_fd, "lo", why);
	if (ret == 0)
		ret = link_up(kernel->nl_fd, DEVICE, why);
	if (ret == 0)
		ret = route_add(kernel, why);
	return ret == 0 ? cv_host_spec_diff(NULL, spec, addr_set, &job) : ret;
}

/* ---- the namespace ---- */

static int fds_open(struct host_kernel *kernel, struct host_why *why)
{
	kernel->ns_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (kernel->ns_fd < 0)
		return failed(why, "/proc/thread-self/ns/net");
	kernel->nl_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	return kernel->nl_fd < 0 ? failed(why, "netlink socket") : 0;
}

int cv_host_kernel_make(const struct host_spec *spec, struct host_kernel *ret_kernel,
			struct host_why *why)
{
	struct host_kernel kernel = HOST_KERNEL_NONE;
	int ret;

	if (spec->ports.first > spec->ports.last) {
		errno = ERANGE;
		return failed(why, "settings.snat leaves no port free");
	}
	if (unshare(CLONE_NEWNET) < 0)
		return failed(why, "network namespace");
	ret = fds_open(&kernel, why);
	if (ret == 0)
		ret = ports_set(spec, why);
	if (ret == 0) {
		sysctls_tidy();
		ret = device_open(&kernel, why);
	}
	if (ret == 0)
		ret = device_fill(&kernel, spec, why);
	if (ret < 0) {
		cv_host_kernel_close(&kernel);
		return ret;
	}
	*ret_kernel = kernel;
	return 0;
}

int cv_host_kernel_change(const struct host_kernel *kernel, const struct host_spec *from,
			  const struct host_spec *to, struct host_why *why)
{
	struct addr_job job = {.kernel = kernel, .why = why};
	int ret = 0;

	if (from->ports.first != to->ports.first || from->ports.last != to->ports.last ||
	    strcmp(from->reserved, to->reserved) != 0) {
		if (setns(kernel->ns_fd, CLONE_NEWNET) < 0)
			return failed(why, "network namespace");
		ret = ports_set(to, why);
	}
	if (ret == 0 && from->mtu != to->mtu)
		ret = mtu_set(kernel->nl_fd, to->mtu, why);
	return ret == 0 ? cv_host_spec_diff(from, to, addr_set, &job) : ret;
}

static void fd_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void cv_host_kernel_close(struct host_kernel *kernel)
{
	fd_close(&kernel->tun_fd);
	fd_close(&kernel->nl_fd);
	fd_close(&kernel->ns_fd);
}
