/* SPDX-License-Identifier: BSD-3-Clause */

/* The kernel's sockets: what is pure, and namespaces of this kernel where we may make them. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "cv_base.h"
#include "host_priv.h"

#define RING_BYTES (256u << 10)
#define WAIT_MS 20000

static cv_be32_t ip4(const char *text)
{
	cv_be32_t ip = 0;

	assert_true(cv_ip4_parse(text, &ip));
	return ip;
}

/* ---- pure ---- */

static void ports_are_what_snat_leaves(void **state)
{
	static const struct {
		uint16_t snat_first;
		uint32_t n_snat;
		uint16_t first, last;
	} cases[] = {
		{10536, 55000, 1024, 10535}, {1024, 55000, 56024, 65535},
		{1024, 64512, 1, 0},         {30000, 10000, 1024, 29999},
		{2000, 1000, 3000, 65535},   {65535, 1, 1024, 65534},
		{1024, 1, 1025, 65535},      {1025, 64511, 1024, 1024},
		{1024, 64511, 65535, 65535},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct cv_host_ports ports =
			cv_host_ports_get(cases[i].snat_first, cases[i].n_snat);

		assert_int_equal(ports.first, cases[i].first);
		assert_int_equal(ports.last, cases[i].last);
	}
}

/* What a walk over differences saw, in order: `+` or `-`, and the last octet. */
struct seen {
	char text[64];
	int fail_at;
};

static int see(void *arg, cv_be32_t ip, bool add)
{
	struct seen *seen = arg;
	size_t len = strlen(seen->text);

	if (seen->fail_at-- == 0)
		return -EIO;
	snprintf(seen->text + len, sizeof(seen->text) - len, "%c%u", add ? '+' : '-',
		 cv_be32_host(ip) & 255);
	return 0;
}

static struct host_spec *spec_of(const char *octets)
{
	cv_be32_t addrs[16];
	struct cv_host_vpc vpc = {.name = "v", .addrs = addrs};
	struct host_spec *spec;

	for (; *octets != '\0'; octets++)
		addrs[vpc.n_addrs++] = cv_be32(0x0a000000 + (uint32_t)(*octets - '0'));
	spec = cv_host_spec_create(&vpc, (struct cv_host_ports){1024, 2000});
	assert_non_null(spec);
	return spec;
}

static void only_addresses_that_differ_are_touched(void **state)
{
	static const struct {
		const char *from, *to, *want;
	} cases[] = {
		{NULL, "", ""},
		{NULL, "21", "+1+2"},
		{"12", "21", ""},
		{"12", "32", "+3-1"},
		{"12", "", "-1-2"},
		{"", "5", "+5"},
		{"123", "345", "+4+5-1-2"},
		{NULL, "4141", "+1+4"},
		{"11", "1", ""},
	};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(cases); i++) {
		struct host_spec *from = cases[i].from != NULL ? spec_of(cases[i].from) : NULL;
		struct host_spec *to = spec_of(cases[i].to);
		struct seen seen = {.fail_at = -1};

		assert_int_equal(cv_host_spec_diff(from, to, see, &seen), 0);
		assert_string_equal(seen.text, cases[i].want);
		for (int n = 0; n < (int)strlen(cases[i].want) / 2; n++) {
			struct seen cut = {.fail_at = n};

			assert_int_equal(cv_host_spec_diff(from, to, see, &cut), -EIO);
			assert_int_equal(strlen(cut.text), 2 * n);
		}
		cv_host_spec_destroy(from);
		cv_host_spec_destroy(to);
	}
}

static void listeners_in_the_range_are_reserved(void **state)
{
	static const uint16_t reserved[] = {80, 1024, 1999, 2000, 2001, 443, 65535};
	const struct cv_host_vpc vpc = {
		.name = "v", .reserved = reserved, .n_reserved = CV_ARRAY_LEN(reserved)};
	struct host_spec *spec = cv_host_spec_create(&vpc, (struct cv_host_ports){1024, 2000});

	(void)state;
	assert_string_equal(spec->reserved, "1024,1999,2000");
	cv_host_spec_destroy(spec);
	spec = cv_host_spec_create(&vpc, (struct cv_host_ports){3000, 4000});
	assert_string_equal(spec->reserved, "");
	cv_host_spec_destroy(spec);
	cv_host_spec_destroy(NULL);
}

static void every_peer_is_found_and_no_other(void **state)
{
	struct cv_host_peer peers[1000];
	struct cv_host_vpc vpc = {.name = "v", .peers = peers};
	struct host_spec *spec;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		peers[i] = (struct cv_host_peer){.ip = cv_be32(0x0a000001 + i * 3), .neigh = i};
	for (vpc.n_peers = 0; vpc.n_peers <= 1000; vpc.n_peers += 125) {
		spec = cv_host_spec_create(&vpc, (struct cv_host_ports){1024, 2000});
		assert_non_null(spec);
		assert_int_equal(spec->n_peers, vpc.n_peers);
		for (uint32_t i = 0; i < 3000; i++) {
			const struct cv_host_peer *peer =
				cv_host_spec_peer_find(spec, cv_be32(0x0a000001 + i));

			assert_int_equal(peer != NULL, i % 3 == 0 && i / 3 < vpc.n_peers);
			if (peer != NULL)
				assert_int_equal(peer->neigh, i / 3);
		}
		assert_null(cv_host_spec_peer_find(spec, 0));
		cv_host_spec_destroy(spec);
	}
	peers[1] = peers[0];
	vpc.n_peers = 2;
	spec = cv_host_spec_create(&vpc, (struct cv_host_ports){1024, 2000});
	assert_int_equal(spec->n_peers, 1);
	cv_host_spec_destroy(spec);
}

/* ---- senders ---- */

static struct host_senders *senders_create(void)
{
	struct host_senders *senders = calloc(1, sizeof(*senders));

	assert_non_null(senders);
	assert_int_equal(cv_host_senders_init(senders), 0);
	return senders;
}

static void sender_note(struct host_senders *senders, uint32_t ip, uint64_t mac)
{
	const struct host_sender sender = {.ip = cv_be32(ip), .mac = mac, .vtep = ip ^ 5};

	cv_host_sender_note(senders, &sender);
}

static void sender_want(struct host_senders *senders, uint32_t ip, uint64_t mac)
{
	const struct host_sender *got = cv_host_sender_find(senders, cv_be32(ip));

	if (mac == 0) {
		assert_null(got);
		return;
	}
	assert_non_null(got);
	assert_int_equal(got->mac, mac);
	assert_int_equal(got->vtep, ip ^ 5);
}

static uint64_t sender_set(const struct host_senders *senders, uint32_t ip)
{
	const cv_be32_t word = cv_be32(ip);

	return cv_siphash(&word, sizeof(word), senders->key[0], senders->key[1]) % HOST_SENDER_SETS;
}

static void a_sender_is_known_until_four_of_its_set_came_later(void **state)
{
	struct host_senders *senders = senders_create();
	uint32_t ips[5] = {1};

	(void)state;
	for (uint32_t ip = 2, n = 1; n < 5; ip++)
		if (sender_set(senders, ip) == sender_set(senders, 1))
			ips[n++] = ip;
	for (uint32_t i = 0; i < 4; i++)
		sender_note(senders, ips[i], 0x100 + i);
	for (uint32_t i = 0; i < 4; i++)
		sender_want(senders, ips[i], 0x100 + i);
	sender_want(senders, ips[4], 0);
	/* Heard of again, behind another router; then the second is the oldest. */
	sender_note(senders, ips[0], 0x200);
	sender_note(senders, ips[4], 0x104);
	sender_want(senders, ips[0], 0x200);
	sender_want(senders, ips[1], 0);
	sender_want(senders, ips[2], 0x102);
	sender_want(senders, ips[3], 0x103);
	sender_want(senders, ips[4], 0x104);
	free(senders);
}

/* As many queries as are taken up before an answer comes down, of one client each. */
static void a_thousand_senders_at_once_are_all_known(void **state)
{
	struct host_senders *senders = senders_create();
	unsigned int lost = 0;

	(void)state;
	for (uint32_t i = 0; i < 1024; i++)
		sender_note(senders, 0x0a000000 + i, 1 + i);
	for (uint32_t i = 0; i < 1024; i++)
		lost += cv_host_sender_find(senders, cv_be32(0x0a000000 + i)) == NULL;
	/* One place each would lose a hundred, two nine; with four one try in forty loses one. */
	assert_true(lost <= 3);
	free(senders);
}

static void which_senders_share_a_set_is_a_secret(void **state)
{
	struct host_senders *a = senders_create(), *b = senders_create();
	unsigned int same = 0;

	(void)state;
	for (uint32_t i = 0; i < 4096; i++)
		same += sender_set(a, i) == sender_set(b, i);
	assert_true(same < 64);
	free(a);
	free(b);
}

static void states_have_names(void **state)
{
	(void)state;
	assert_string_equal(cv_host_state_str(CV_HOST_MAKING), "making");
	assert_string_equal(cv_host_state_str(CV_HOST_UP), "up");
	assert_string_equal(cv_host_state_str(CV_HOST_FAILED), "failed");
}

/* ---- with the kernel ---- */

/* Ports 2000 to 2009, of which 2000 to 2008 are listeners': sockets get 2009. */
static const uint16_t listeners[] = {2000, 2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008};

struct rig {
	struct cv_pkt_ring *ups[2], *downs[2];
	cv_neigh_t neigh[2];
	struct cv_host *host;
	cv_be32_t addrs[2];
	struct cv_host_peer peers[2];
	struct cv_host_vpc vpcs[2];
	struct cv_host_want want;
};

static void rig_init(struct rig *r)
{
	*r = (struct rig){
		.neigh = {CV_NEIGH_KNOWN | 0x0a0b0c0d0e02, 0},
		.addrs = {ip4("10.0.0.10"), ip4("10.0.0.11")},
		.peers = {{ip4("10.0.0.30"), 0}, {ip4("10.0.0.31"), 1}},
	};
	for (int i = 0; i < 2; i++) {
		r->ups[i] = cv_pkt_ring_create(RING_BYTES);
		r->downs[i] = cv_pkt_ring_create(RING_BYTES);
		/* Both VPCs have the same addresses. */
		r->vpcs[i] = (struct cv_host_vpc){
			.slot = (uint16_t)(3 + i),
			.mtu = 1500,
			.name = i == 0 ? "one" : "two",
			.addrs = r->addrs,
			.n_addrs = 1,
			.reserved = listeners,
			.n_reserved = CV_ARRAY_LEN(listeners),
			.peers = r->peers,
			.n_peers = 2,
		};
	}
	r->want = (struct cv_host_want){
		.vpcs = r->vpcs, .n_vpcs = 2, .ports = {.first = 2000, .last = 2009}};
	assert_int_equal(cv_host_create(&(struct cv_host_cfg){.n_workers = 2,
							      .ups = r->ups,
							      .downs = r->downs,
							      .neigh = r->neigh},
					&r->host),
			 0);
}

static void rig_fini(struct rig *r)
{
	cv_host_destroy(r->host);
	for (int i = 0; i < 2; i++) {
		cv_pkt_ring_destroy(r->ups[i]);
		cv_pkt_ring_destroy(r->downs[i]);
	}
}

static struct cv_host_info info_of(struct rig *r, uint16_t slot, uint32_t *ret_n)
{
	struct cv_host_info *infos = NULL, info = {0};
	struct cv_host_ports ports;

	assert_int_equal(cv_host_infos_get(r->host, &infos, ret_n, &ports), 0);
	for (uint32_t i = 0; i < *ret_n; i++)
		if (infos[i].slot == slot)
			info = infos[i];
	free(infos);
	return info;
}

/* Waits for sockets in a VPC. @return one of them, or what kept it from being made */
static int socket_get(struct rig *r, uint16_t slot, int type)
{
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;
	int fd;

	do {
		fd = cv_host_socket(r->host, slot, AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		usleep(1000);
	} while (fd == -EAGAIN && cv_clock_ms() < end_ms);
	return fd;
}

static int bind_to(int fd, cv_be32_t ip, uint16_t port)
{
	const struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = ip, .sin_port = htons(port)};

	return bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

static int dial(int fd, const char *ip, uint16_t port)
{
	const struct sockaddr_in addr = {
		.sin_family = AF_INET, .sin_addr.s_addr = ip4(ip), .sin_port = htons(port)};

	return connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

/* Waits for a packet of the kernel. */
static void down_get(struct rig *r, uint16_t slot, uint8_t *bytes, struct cv_pkt_rec *ret_rec)
{
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;
	struct cv_pkt_ring *ring = r->downs[slot % 2];

	while (!cv_pkt_ring_peek(ring, ret_rec)) {
		assert_true(cv_clock_ms() < end_ms);
		usleep(1000);
	}
	memcpy(bytes, ret_rec->ip, ret_rec->len);
	cv_pkt_ring_pop(ring);
}

/* Whether this process may make namespaces; without, the tests that need it are skipped. */
static bool may_make(void)
{
	struct rig r;
	int fd;

	rig_init(&r);
	assert_int_equal(cv_host_sync(r.host, &r.want), 0);
	fd = socket_get(&r, 3, SOCK_STREAM);
	if (fd >= 0)
		close(fd);
	rig_fini(&r);
	return fd >= 0;
}

static void need_namespaces(void)
{
	if (!may_make()) {
		print_message("no namespaces here: skipped\n");
		skip();
	}
}

static void nothing_is_made_while_nothing_is_wanted(void **state)
{
	const struct cv_host_want none = {0};
	struct rig r;
	uint32_t n;

	(void)state;
	rig_init(&r);
	assert_int_equal(cv_host_sync(r.host, &none), 0);
	assert_false(r.host->running);
	assert_int_equal(cv_host_socket(r.host, 3, AF_INET, SOCK_STREAM, 0), -ENOENT);
	info_of(&r, 3, &n);
	assert_int_equal(n, 0);
	rig_fini(&r);
	cv_host_destroy(NULL);
	cv_host_stop(NULL);
}

static void without_descriptors_it_is_not_created(void **state)
{
	struct cv_pkt_ring *ring = cv_pkt_ring_create(RING_BYTES);
	const struct cv_host_cfg cfg = {.n_workers = 1, .ups = &ring, .downs = &ring};
	struct cv_host *host = NULL;
	struct rlimit old, few;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	few = (struct rlimit){.rlim_cur = 3, .rlim_max = old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(cv_host_create(&cfg, &host), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_null(host);
	cv_pkt_ring_destroy(ring);
}

/* In a child of its own: privileges do not come back. */
static void without_privileges_it_says_so(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		struct cv_host_info info;
		struct rig r;
		uint32_t n;

		if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(10);
		rig_init(&r);
		if (cv_host_sync(r.host, &r.want) != 0)
			_exit(11);
		if (socket_get(&r, 3, SOCK_STREAM) != -EPERM)
			_exit(12);
		info = info_of(&r, 3, &n);
		if (n != 2 || info.state != CV_HOST_FAILED ||
		    strstr(info.text, "CAP_SYS_ADMIN") == NULL || info.path[0] != '\0')
			_exit(13);
		rig_fini(&r);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void range_without_ports_is_refused(void **state)
{
	struct cv_host_info info;
	struct rig r;
	uint32_t n;

	(void)state;
	rig_init(&r);
	r.want.ports = (struct cv_host_ports){1, 0};
	assert_int_equal(cv_host_sync(r.host, &r.want), 0);
	assert_int_equal(socket_get(&r, 3, SOCK_STREAM), -ERANGE);
	info = info_of(&r, 3, &n);
	assert_non_null(strstr(info.text, "settings.snat"));
	rig_fini(&r);
}

static void syn_has_our_address_a_free_port_and_the_peers_mac(void **state)
{
	uint8_t bytes[2048];
	struct cv_pkt_rec rec;
	struct rig r;
	int fd;

	(void)state;
	need_namespaces();
	rig_init(&r);
	assert_int_equal(cv_host_sync(r.host, &r.want), 0);
	for (uint16_t slot = 3; slot <= 4; slot++) {
		fd = socket_get(&r, slot, SOCK_STREAM);
		assert_true(fd >= 0);
		assert_int_equal(bind_to(fd, r.addrs[1], 0), -EADDRNOTAVAIL);
		assert_int_equal(bind_to(fd, r.addrs[0], 0), 0);
		assert_int_equal(dial(fd, "10.0.0.30", 80), -EINPROGRESS);
		down_get(&r, slot, bytes, &rec);
		assert_int_equal(rec.vpc, slot);
		assert_int_equal(rec.mac, 0x0a0b0c0d0e02);
		assert_int_equal(bytes[0], 0x45);
		assert_memory_equal(bytes + 12, &r.addrs[0], 4);
		assert_memory_equal(bytes + 16, &r.peers[0].ip, 4);
		assert_int_equal(bytes[20] << 8 | bytes[21], 2009);
		assert_int_equal(bytes[22] << 8 | bytes[23], 80);
		close(fd);
	}
	rig_fini(&r);
}

static void udp_send(int fd, const char *ip)
{
	const struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_addr.s_addr = ip4(ip), .sin_port = htons(7)};

	assert_int_equal(sendto(fd, "x", 1, 0, (const struct sockaddr *)&to, sizeof(to)), 1);
}

/* A packet that a worker hands up: IP and UDP, or of TCP the ports and zeros. */
static void up_put(struct rig *r, uint16_t slot, cv_be32_t src, uint8_t proto, uint16_t dport)
{
	uint8_t ip[20 + 20] = {0x45, 0, 0, proto == IPPROTO_UDP ? 29 : 40, 0, 0, 0, 0, 64, proto};
	struct cv_pkt_rec rec = {.ip = ip, .len = ip[3], .vpc = slot, .mac = 0x060504030202};
	uint16_t sum;

	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &r->addrs[0], 4);
	ip[21] = 7;
	ip[22] = (uint8_t)(dport >> 8);
	ip[23] = (uint8_t)dport;
	ip[25] = proto == IPPROTO_UDP ? 9 : 0;
	ip[28] = 'y';
	sum = (uint16_t)~cv_csum_fold(cv_csum_add(ip, 20, 0));
	memcpy(ip + 10, &sum, 2);
	assert_true(cv_pkt_ring_put(r->ups[1], &rec));
}

static void answers_go_to_the_mac_that_asked(void **state)
{
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;
	struct cv_host_info info;
	uint8_t bytes[2048];
	struct cv_pkt_rec rec;
	struct rig r;
	uint32_t n;
	int fd;

	(void)state;
	need_namespaces();
	rig_init(&r);
	assert_int_equal(cv_host_sync(r.host, &r.want), 0);
	fd = socket_get(&r, 3, SOCK_DGRAM);
	assert_true(fd >= 0);
	assert_int_equal(bind_to(fd, r.addrs[0], 53), 0);
	/* Nobody knows where that is; nor is 10.0.0.31, whose MAC nobody has told. */
	udp_send(fd, "192.0.2.1");
	udp_send(fd, "10.0.0.31");
	while (info_of(&r, 3, &n).down_no_mac < 2 && cv_clock_ms() < end_ms)
		usleep(1000);
	assert_int_equal(info_of(&r, 3, &n).down_no_mac, 2);
	up_put(&r, 3, ip4("192.0.2.1"), IPPROTO_UDP, 53);
	while (recv(fd, bytes, sizeof(bytes), 0) != 1 && cv_clock_ms() < end_ms)
		usleep(1000);
	assert_int_equal(bytes[0], 'y');
	udp_send(fd, "192.0.2.1");
	down_get(&r, 3, bytes, &rec);
	assert_int_equal(rec.mac, 0x060504030202);
	info = info_of(&r, 3, &n);
	assert_int_equal(info.up_pkts, 1);
	assert_int_equal(info.up_bytes, 29);
	assert_int_equal(info.down_pkts, 1);
	assert_int_equal(info.down_bytes, 29);
	/* What a peer's MAC is wins over where it sent from. */
	up_put(&r, 3, r.peers[0].ip, IPPROTO_UDP, 53);
	while (info_of(&r, 3, &n).up_pkts < 2 && cv_clock_ms() < end_ms)
		usleep(1000);
	udp_send(fd, "10.0.0.30");
	down_get(&r, 3, bytes, &rec);
	assert_int_equal(rec.mac, 0x0a0b0c0d0e02);
	close(fd);
	rig_fini(&r);
}

static void segments_from_no_peer_stay_unanswered(void **state)
{
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;
	struct cv_host_info info;
	uint8_t bytes[2048];
	struct cv_pkt_rec rec;
	struct rig r;
	uint32_t n;
	int fd;

	(void)state;
	need_namespaces();
	rig_init(&r);
	assert_int_equal(cv_host_sync(r.host, &r.want), 0);
	fd = socket_get(&r, 3, SOCK_DGRAM);
	assert_true(fd >= 0);
	up_put(&r, 3, ip4("10.0.0.99"), IPPROTO_TCP, 2009);
	up_put(&r, 3, r.peers[0].ip, IPPROTO_UDP, 2009);
	/* The kernel says that nobody listens; of the segment before, it has not heard. */
	down_get(&r, 3, bytes, &rec);
	assert_int_equal(bytes[9], IPPROTO_ICMP);
	while (info_of(&r, 3, &n).up_unasked < 1 && cv_clock_ms() < end_ms)
		usleep(1000);
	info = info_of(&r, 3, &n);
	assert_int_equal(info.up_unasked, 1);
	assert_int_equal(info.up_pkts, 1);
	close(fd);
	rig_fini(&r);
}

static ino_t inode_of(struct rig *r, uint16_t slot)
{
	struct cv_host_info info;
	struct stat st;
	uint32_t n;

	info = info_of(r, slot, &n);
	assert_int_equal(info.state, CV_HOST_UP);
	assert_int_equal(stat(info.path, &st), 0);
	return st.st_ino;
}

static void changes_leave_the_rest_as_it_is(void **state)
{
	struct ifreq ifr = {.ifr_name = "culvert0"};
	struct cv_host_info gone;
	struct stat st;
	uint64_t end_ms = cv_clock_ms() + WAIT_MS;
	struct rig r;
	ino_t one, two;
	uint32_t n;
	int fd;

	(void)state;
	need_namespaces();
	rig_init(&r);
	assert_int_equal(cv_host_sync(r.host, &r.want), 0);
	fd = socket_get(&r, 4, SOCK_DGRAM);
	assert_true(fd >= 0);
	close(fd);
	fd = socket_get(&r, 3, SOCK_DGRAM);
	assert_int_equal(bind_to(fd, r.addrs[0], 53), 0);
	one = inode_of(&r, 3);
	two = inode_of(&r, 4);
	gone = info_of(&r, 4, &n);
	assert_true(one != two);
	/* One more address, another MTU, no more listeners; the second VPC needs nothing now. */
	r.vpcs[0].n_addrs = 2;
	r.vpcs[0].mtu = 1400;
	r.vpcs[0].n_reserved = 0;
	r.want.n_vpcs = 1;
	assert_int_equal(cv_host_sync(r.host, &r.want), 0);
	while ((info_of(&r, 3, &n).mtu != 1400 || n != 1) && cv_clock_ms() < end_ms)
		usleep(1000);
	assert_int_equal(n, 1);
	assert_int_equal(inode_of(&r, 3), one);
	assert_int_equal(cv_host_socket(r.host, 4, AF_INET, SOCK_DGRAM, 0), -ENOENT);
	assert_true(stat(gone.path, &st) != 0 || st.st_ino != two);
	close(fd);
	fd = socket_get(&r, 3, SOCK_DGRAM);
	assert_int_equal(bind_to(fd, r.addrs[1], 53), 0);
	assert_int_equal(ioctl(fd, SIOCGIFMTU, &ifr), 0);
	assert_int_equal(ifr.ifr_mtu, 1400);
	close(fd);
	/* The first address goes. */
	r.vpcs[0].addrs = &r.addrs[1];
	r.vpcs[0].n_addrs = 1;
	assert_int_equal(cv_host_sync(r.host, &r.want), 0);
	do {
		fd = socket_get(&r, 3, SOCK_DGRAM);
		n = bind_to(fd, r.addrs[0], 53) == 0;
		close(fd);
		usleep(1000);
	} while (n == 1 && cv_clock_ms() < end_ms);
	assert_int_equal(n, 0);
	/* Stopped, it makes nothing any more. */
	cv_host_stop(r.host);
	assert_int_equal(cv_host_socket(r.host, 3, AF_INET, SOCK_DGRAM, 0), -ENOENT);
	assert_int_equal(cv_host_sync(r.host, &r.want), 0);
	assert_int_equal(cv_host_socket(r.host, 3, AF_INET, SOCK_DGRAM, 0), -ENOENT);
	rig_fini(&r);
}

static void callers_stay_in_their_own_namespace(void **state)
{
	struct stat before, after;
	struct rig r;
	int fd;

	(void)state;
	need_namespaces();
	assert_int_equal(stat("/proc/thread-self/ns/net", &before), 0);
	rig_init(&r);
	assert_int_equal(cv_host_sync(r.host, &r.want), 0);
	fd = socket_get(&r, 3, SOCK_STREAM);
	assert_true(fd >= 0);
	close(fd);
	assert_true(cv_host_socket(r.host, 3, 4711, SOCK_STREAM, 0) < 0);
	assert_int_equal(stat("/proc/thread-self/ns/net", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ports_are_what_snat_leaves),
		cmocka_unit_test(only_addresses_that_differ_are_touched),
		cmocka_unit_test(listeners_in_the_range_are_reserved),
		cmocka_unit_test(every_peer_is_found_and_no_other),
		cmocka_unit_test(states_have_names),
		cmocka_unit_test(a_sender_is_known_until_four_of_its_set_came_later),
		cmocka_unit_test(a_thousand_senders_at_once_are_all_known),
		cmocka_unit_test(which_senders_share_a_set_is_a_secret),
		cmocka_unit_test(nothing_is_made_while_nothing_is_wanted),
		cmocka_unit_test(without_descriptors_it_is_not_created),
		cmocka_unit_test(without_privileges_it_says_so),
		cmocka_unit_test(range_without_ports_is_refused),
		cmocka_unit_test(syn_has_our_address_a_free_port_and_the_peers_mac),
		cmocka_unit_test(answers_go_to_the_mac_that_asked),
		cmocka_unit_test(segments_from_no_peer_stay_unanswered),
		cmocka_unit_test(changes_leave_the_rest_as_it_is),
		cmocka_unit_test(callers_stay_in_their_own_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
