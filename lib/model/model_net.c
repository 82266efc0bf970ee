/* SPDX-License-Identifier: BSD-3-Clause */

/* Zones, accounts, VPCs, subnets, security groups, and the use of addresses. */

#include "cv_model_dns.h"
#include "model_change_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sizes of a network in which an interface can be placed; /28 is AWS's smallest, too. */
#define CIDR_LEN_MIN 8
#define CIDR_LEN_MAX 28

/* A service keeps a bit for each zone; the configuration allows no more. */
#define ZONES_MAX 64

int cv_model_zone_add(struct cv_model *model, const char *id, struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_ZONE};
	struct model_key key = {.kind = CV_MODEL_ZONE, .scope = CV_MODEL_NONE};
	struct cv_model_zone *zones;

	cv_model_check_name(&ctx, CV_MODEL_NONE, id);
	if (model->n_zones == ZONES_MAX)
		cv_model_err(&ctx, EINVAL, "InvalidParameterValue", "", "more than %d zones",
			     ZONES_MAX);
	if (ctx.ret != 0)
		return ctx.ret;
	zones = cv_model_grow(model->zones, model->n_zones, sizeof(*zones));
	if (zones == NULL)
		return -ENOMEM;
	model->zones = zones;
	key.str = cv_model_str(model, id);
	if (key.str == NULL || cv_model_index_room(model->index, 1) != 0)
		return -ENOMEM;
	zones[model->n_zones].id = key.str;
	cv_model_index_put(model->index, &key, model->n_zones++);
	return 0;
}

uint32_t cv_model_zone_of(const struct cv_model *model, uint32_t account, const char *name)
{
	const struct cv_model_account *owner = &model->accounts[account];

	for (uint32_t i = 0; i < owner->n_zones; i++) {
		if (strcmp(owner->zones[i].name, name) == 0)
			return owner->zones[i].zone;
	}
	return cv_model_find(model, CV_MODEL_ZONE, CV_MODEL_NONE, name);
}

/* Fills the account's own zone map; a zone name may stand once, and so may a zone. */
static void check_zone_map(struct model_ctx *ctx, const struct cv_model_account_req *req,
			   struct cv_model_zone_name *zones)
{
	for (uint32_t i = 0; i < req->n_zones; i++) {
		const char *name = req->zone_names[i];
		const char *field = cv_model_at(ctx, "zones.%s", name);

		zones[i].name = cv_model_str(ctx->model, name);
		zones[i].zone = cv_model_resolve(ctx, CV_MODEL_ZONE, CV_MODEL_NONE,
						 req->zone_ids[i], field);
		if (zones[i].name == NULL) {
			cv_model_oom(ctx);
			return;
		}
		for (uint32_t j = 0; j < i; j++) {
			if (strcmp(zones[j].name, name) == 0)
				cv_model_err(ctx, EEXIST, "InvalidParameterValue", field,
					     "zone name '%s' is given twice", zones[j].name);
			else if (zones[j].zone == zones[i].zone && zones[i].zone != CV_MODEL_NONE)
				cv_model_err(ctx, EEXIST, "InvalidParameterValue", field,
					     "zone '%s' already has the name '%s'",
					     req->zone_ids[i], zones[j].name);
		}
	}
}

static void check_account_id(struct model_ctx *ctx, const char *id)
{
	struct model_key key = {.kind = CV_MODEL_ACCOUNT, .scope = CV_MODEL_NONE, .str = id};

	if (strlen(id) != 12 || strspn(id, "0123456789") != 12)
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "id",
			     "'%.64s' is no account id: 12 digits", id);
	else if (cv_model_index_get(ctx->model->index, &key) != CV_MODEL_NONE)
		cv_model_err(ctx, EEXIST, "InvalidParameterValue", "id",
			     "account '%s' already exists", id);
}

int cv_model_account_add(struct cv_model *model, const struct cv_model_account_req *req,
			 struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_ACCOUNT};
	struct cv_model_account account = {.n_zones = req->n_zones};
	struct cv_model_account *accounts;

	check_account_id(&ctx, req->id);
	if (req->name != NULL && strcmp(req->name, req->id) != 0)
		cv_model_check_name(&ctx, CV_MODEL_NONE, req->name);
	account.id = cv_model_str(model, req->id);
	account.name = cv_model_str(model, req->name != NULL ? req->name : req->id);
	accounts = cv_model_grow(model->accounts, model->n_accounts, sizeof(*accounts));
	if (accounts != NULL)
		model->accounts = accounts;
	if (req->n_zones > 0) {
		account.zones = calloc(req->n_zones, sizeof(*account.zones));
		if (account.zones == NULL)
			cv_model_oom(&ctx);
		else
			check_zone_map(&ctx, req, account.zones);
	}
	if (account.id == NULL || account.name == NULL || accounts == NULL ||
	    cv_model_index_room(model->index, 2) != 0)
		cv_model_oom(&ctx);
	if (ctx.ret != 0) {
		free(account.zones);
		return ctx.ret;
	}
	accounts[model->n_accounts] = account;
	cv_model_publish(&ctx, CV_MODEL_NONE, account.name, account.id, model->n_accounts++);
	return 0;
}

static void check_cidr_size(struct model_ctx *ctx, const struct cv_prefix *cidr, const char *code,
			    const char *field)
{
	char text[CV_NET_STR_LEN];

	if (cidr->len < CIDR_LEN_MIN || cidr->len > CIDR_LEN_MAX)
		cv_model_err(ctx, EINVAL, code, field, "%s is no usable size: /%d to /%d",
			     cv_prefix_str(cidr, text), CIDR_LEN_MIN, CIDR_LEN_MAX);
}

static void check_vpc_cidrs(struct model_ctx *ctx, const struct cv_model_vpc_req *req)
{
	char a[CV_NET_STR_LEN], b[CV_NET_STR_LEN];

	if (req->n_cidrs == 0)
		cv_model_err(ctx, EINVAL, "InvalidVpc.Range", "cidrs", "a VPC needs a CIDR");
	for (uint32_t i = 0; i < req->n_cidrs; i++) {
		const char *field = cv_model_at(ctx, "cidrs[%u]", i);

		check_cidr_size(ctx, &req->cidrs[i], "InvalidVpc.Range", field);
		for (uint32_t j = 0; j < i; j++) {
			if (cv_prefix_overlaps(&req->cidrs[i], &req->cidrs[j]))
				cv_model_err(ctx, EINVAL, "InvalidVpc.Range", field,
					     "%s overlaps %s of the same VPC",
					     cv_prefix_str(&req->cidrs[i], a),
					     cv_prefix_str(&req->cidrs[j], b));
		}
	}
}

struct model_key cv_model_attach_key(const char *port, uint16_t vlan, uint32_t vni)
{
	return (struct model_key){MODEL_KEY_ATTACH, CV_MODEL_NONE, (uint64_t)vni << 16 | vlan,
				  port};
}

static void check_vxlan(struct model_ctx *ctx, const struct cv_model_vpc_req *req)
{
	const struct cv_model_vxlan *vxlan = &req->vxlan;
	char ip[CV_NET_STR_LEN];

	if (vxlan->vni > 0xffffff)
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "attachment.vxlan.vni",
			     "VNI %u is outside 1..16777215", (unsigned int)vxlan->vni);
	if (vxlan->n_peers > CV_MODEL_PEERS_MAX)
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "attachment.vxlan.peers",
			     "more than %d peers", CV_MODEL_PEERS_MAX);
	for (uint32_t i = 0; i < vxlan->n_peers; i++) {
		if (vxlan->peers[i] == vxlan->vtep)
			cv_model_err(ctx, EINVAL, "InvalidParameterValue",
				     cv_model_at(ctx, "attachment.vxlan.peers[%u]", i),
				     "%s is our own address", cv_ip4_str(vxlan->peers[i], ip));
	}
}

/* What carries VXLAN is a network of its own: no VPC has it. */
static void check_carrier(struct model_ctx *ctx, const struct cv_model_vpc_req *req)
{
	struct model_key key = cv_model_attach_key(req->port, req->vlan, 0);
	uint32_t other;

	if (req->vxlan.vni == 0)
		key.kind = MODEL_KEY_UNDER;
	other = cv_model_index_get(ctx->model->index, &key);
	if (other != CV_MODEL_NONE)
		cv_model_err(
			ctx, EEXIST, "InvalidParameterValue", "attachment",
			"port '%s' cannot both be a VPC's and carry VXLAN %s: give one of them a "
			"VLAN of its own",
			req->port, req->vlan == 0 ? "untagged" : "in this VLAN");
}

static void check_attachment(struct model_ctx *ctx, const struct cv_model_vpc_req *req)
{
	const struct model_key key = cv_model_attach_key(req->port, req->vlan, req->vxlan.vni);
	uint32_t other = cv_model_index_get(ctx->model->index, &key);

	if (req->vlan > 4094)
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "attachment.vlan",
			     "VLAN %u is outside 1..4094", (unsigned int)req->vlan);
	check_vxlan(ctx, req);
	check_carrier(ctx, req);
	if (other == CV_MODEL_NONE)
		return;
	if (req->vxlan.vni != 0)
		cv_model_err(ctx, EEXIST, "InvalidParameterValue", "attachment",
			     "VPC '%s' is already attached to VNI %u there",
			     ctx->model->vpcs[other].name, (unsigned int)req->vxlan.vni);
	else if (req->vlan == 0)
		cv_model_err(ctx, EEXIST, "InvalidParameterValue", "attachment",
			     "VPC '%s' is already attached to port '%s' untagged",
			     ctx->model->vpcs[other].name, req->port);
	else
		cv_model_err(ctx, EEXIST, "InvalidParameterValue", "attachment",
			     "VPC '%s' is already attached to VLAN %u of port '%s'",
			     ctx->model->vpcs[other].name, (unsigned int)req->vlan, req->port);
}

/* Takes copies of all that a VPC has of its own. @return false if memory ran out */
static bool vpc_parts_copy(struct cv_model *model, const struct cv_model_vpc_req *req,
			   struct cv_model_vpc *vpc)
{
	vpc->name = req->name != NULL ? cv_model_str(model, req->name) : vpc->id;
	vpc->port = cv_model_str(model, req->port);
	vpc->cidrs = calloc(req->n_cidrs, sizeof(*vpc->cidrs));
	vpc->vxlan = req->vxlan;
	vpc->vxlan.peers = calloc((size_t)req->vxlan.n_peers + 1, sizeof(*vpc->vxlan.peers));
	if (vpc->name == NULL || vpc->port == NULL || vpc->cidrs == NULL ||
	    vpc->vxlan.peers == NULL)
		return false;
	memcpy(vpc->cidrs, req->cidrs, req->n_cidrs * sizeof(*vpc->cidrs));
	if (req->vxlan.n_peers > 0)
		memcpy(vpc->vxlan.peers, req->vxlan.peers,
		       req->vxlan.n_peers * sizeof(*vpc->vxlan.peers));
	return true;
}

/* @param carrier  the name of the port once more: what carries VXLAN outlives the VPC */
static void attach(struct cv_model *model, const struct cv_model_vpc *vpc, uint32_t idx,
		   const char *carrier)
{
	struct model_key key = cv_model_attach_key(vpc->port, vpc->vlan, vpc->vxlan.vni);
	struct model_key under = cv_model_attach_key(carrier, vpc->vlan, 0);

	cv_model_index_put(model->index, &key, idx);
	if (carrier == NULL)
		return;
	under.kind = MODEL_KEY_UNDER;
	if (cv_model_index_get(model->index, &under) == CV_MODEL_NONE)
		cv_model_index_put(model->index, &under, idx);
	else
		cv_model_str_free(model, carrier);
}

int cv_model_vpc_add(struct cv_model *model, const struct cv_model_vpc_req *req,
		     struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_VPC};
	struct cv_model_vpc vpc = {
		.n_cidrs = req->n_cidrs,
		.vlan = req->vlan,
		.dns_support = !req->no_dns_support,
		.dns_hostnames = !req->no_dns_hostnames,
	};
	const char *carrier = NULL;
	char basis[256];
	uint32_t idx = CV_MODEL_NONE, sg = CV_MODEL_NONE;

	cv_model_begin(&ctx, req->by);
	cv_model_check_name(&ctx, CV_MODEL_NONE, req->name);
	vpc.owner = cv_model_resolve(&ctx, CV_MODEL_ACCOUNT, CV_MODEL_NONE, req->owner, "owner");
	check_vpc_cidrs(&ctx, req);
	check_attachment(&ctx, req);
	snprintf(basis, sizeof(basis), "%s/%.64s", model->region,
		 req->name != NULL ? req->name : "");
	vpc.id = cv_model_id(&ctx, req->id, basis);
	if (ctx.ret != 0)
		return cv_model_end(&ctx);

	if (req->vxlan.vni != 0)
		carrier = cv_model_str(model, req->port);
	if (vpc_parts_copy(model, req, &vpc) && (carrier != NULL) == (req->vxlan.vni != 0) &&
	    cv_model_index_room(model->index, 6) == 0)
		sg = cv_model_default_sg_make(&ctx, &vpc);
	if (sg != CV_MODEL_NONE)
		idx = cv_model_place(&ctx);
	if (idx == CV_MODEL_NONE) {
		cv_model_default_sg_undo(model, sg);
		free(vpc.cidrs);
		free(vpc.vxlan.peers);
		cv_model_oom(&ctx);
		return cv_model_end(&ctx);
	}
	attach(model, &vpc, idx, carrier);
	model->vpcs[idx] = vpc;
	cv_model_publish(&ctx, CV_MODEL_NONE, vpc.name, vpc.id, idx);
	cv_model_default_sg_publish(model, idx, sg);
	return cv_model_end(&ctx);
}

bool cv_model_vpc_has(const struct cv_model_vpc *vpc, cv_be32_t addr)
{
	for (uint32_t i = 0; i < vpc->n_cidrs; i++) {
		if (cv_prefix_has(&vpc->cidrs[i], addr))
			return true;
	}
	return false;
}

static struct model_key prefix_key(enum model_key_kind kind, uint32_t vpc, cv_be32_t addr,
				   uint8_t len)
{
	uint64_t num = (uint64_t)len << 32 | (addr & cv_prefix_mask(len));

	return (struct model_key){.kind = kind, .scope = vpc, .num = num};
}

uint32_t cv_model_subnet_of(const struct cv_model *model, uint32_t vpc, cv_be32_t addr)
{
	for (uint8_t len = CIDR_LEN_MIN; len <= CIDR_LEN_MAX; len++) {
		struct model_key key = prefix_key(MODEL_KEY_SUBNET, vpc, addr, len);
		uint32_t subnet = cv_model_index_get(model->index, &key);

		if (subnet != CV_MODEL_NONE)
			return subnet;
	}
	return CV_MODEL_NONE;
}

/* A subnet that overlaps this prefix: one around it, or one inside it. */
static uint32_t overlapping(const struct cv_model *model, uint32_t vpc,
			    const struct cv_prefix *cidr)
{
	struct model_key key = prefix_key(MODEL_KEY_COVER, vpc, cidr->addr, cidr->len);
	uint32_t subnet = cv_model_subnet_of(model, vpc, cidr->addr);

	if (subnet != CV_MODEL_NONE && cv_prefix_overlaps(&model->subnets[subnet].cidr, cidr))
		return subnet;
	return cv_model_index_get(model->index, &key);
}

static void check_subnet_cidr(struct model_ctx *ctx, const struct cv_model_subnet_req *req)
{
	const struct cv_model_vpc *vpc = &ctx->model->vpcs[req->vpc];
	char a[CV_NET_STR_LEN], b[CV_NET_STR_LEN];
	uint32_t other = overlapping(ctx->model, req->vpc, &req->cidr);
	bool inside = false;

	check_cidr_size(ctx, &req->cidr, "InvalidSubnet.Range", "cidr");
	for (uint32_t i = 0; i < vpc->n_cidrs; i++) {
		if (vpc->cidrs[i].len <= req->cidr.len &&
		    cv_prefix_has(&vpc->cidrs[i], req->cidr.addr))
			inside = true;
	}
	cv_prefix_str(&req->cidr, a);
	if (!inside)
		cv_model_err(ctx, EINVAL, "InvalidSubnet.Range", "cidr",
			     "%s is not inside a CIDR of VPC '%s'", a, vpc->name);
	if (other != CV_MODEL_NONE)
		cv_model_err(ctx, EINVAL, "InvalidSubnet.Conflict", "cidr",
			     "%s overlaps subnet '%s' (%s) of the same VPC", a,
			     ctx->model->subnets[other].name,
			     cv_prefix_str(&ctx->model->subnets[other].cidr, b));
}

static bool is_network_or_broadcast(const struct cv_prefix *cidr, cv_be32_t addr)
{
	return addr == cidr->addr || addr == (cidr->addr | ~cv_prefix_mask(cidr->len));
}

static void check_gateway(struct model_ctx *ctx, const struct cv_model_subnet_req *req)
{
	uint32_t use = cv_model_addr_use(ctx->model, req->vpc, req->gateway);
	char a[CV_NET_STR_LEN], b[CV_NET_STR_LEN];

	if (req->gateway == 0)
		return;
	cv_ip4_str(req->gateway, a);
	if (!cv_prefix_has(&req->cidr, req->gateway))
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "gateway",
			     "gateway %s is outside the subnet's CIDR %s", a,
			     cv_prefix_str(&req->cidr, b));
	else if (is_network_or_broadcast(&req->cidr, req->gateway))
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "gateway",
			     "gateway %s is the network or broadcast address of %s", a,
			     cv_prefix_str(&req->cidr, b));
	else if (cv_model_dns_has(&ctx->model->vpcs[req->vpc], req->gateway))
		cv_model_err(ctx, EINVAL, "InvalidParameterValue", "gateway",
			     "gateway %s is reserved: the VPC's DNS server has it", a);
	else if (use != CV_MODEL_NONE && use != MODEL_ADDR_TARGET)
		cv_model_err(ctx, EEXIST, "InvalidIPAddress.InUse", "gateway",
			     "address %s is in use", a);
}

static void check_subnet_zone(struct model_ctx *ctx, const struct cv_model_subnet_req *req,
			      uint32_t *ret_zone)
{
	uint32_t owner = ctx->model->vpcs[req->vpc].owner;
	const struct cv_model_account *account = &ctx->model->accounts[owner];
	struct cv_model_err *err;
	char list[144] = "";

	*ret_zone = cv_model_zone_of(ctx->model, owner, req->zone);
	if (*ret_zone != CV_MODEL_NONE)
		return;
	err = cv_model_err(ctx, ENOENT, "InvalidParameterValue", "zone",
			   "account '%s' has no zone '%.64s'", account->name, req->zone);
	for (uint32_t i = 0; i < account->n_zones; i++)
		cv_list_add(list, sizeof(list), account->zones[i].name);
	if (account->n_zones > 0)
		cv_model_hint(err, "it has %s", list);
	else
		cv_model_hint(err,
			      "it names no zones; use zone ids, or map names to them in 'zones'");
}

/* Who says the id of a zone means the zone that the account has a name for. */
static const char *owned_zone_name(const struct cv_model *model, uint32_t vpc, uint32_t zone,
				   const char *text)
{
	const struct cv_model_account *account = &model->accounts[model->vpcs[vpc].owner];

	for (uint32_t i = 0; i < account->n_zones; i++) {
		if (account->zones[i].zone == zone)
			return account->zones[i].name;
	}
	return text;
}

/* Marks every prefix around the subnet, so that a later larger one is seen to overlap. */
static void publish_prefixes(struct cv_model *model, uint32_t idx)
{
	const struct cv_model_subnet *subnet = &model->subnets[idx];
	const struct cv_prefix *cidr = &subnet->cidr;
	struct model_key key = prefix_key(MODEL_KEY_SUBNET, subnet->vpc, cidr->addr, cidr->len);

	cv_model_index_put(model->index, &key, idx);
	for (uint8_t len = CIDR_LEN_MIN; len <= cidr->len; len++) {
		key = prefix_key(MODEL_KEY_COVER, subnet->vpc, cidr->addr, len);
		cv_model_index_put(model->index, &key, idx);
	}
}

/* A larger prefix that is marked by this subnet may have others inside, which mark it from now on. */
void cv_model_subnet_unpublish(struct cv_model *model, uint32_t idx)
{
	const struct cv_model_subnet *subnet = &model->subnets[idx];
	const struct cv_prefix *cidr = &subnet->cidr;
	struct model_key key = prefix_key(MODEL_KEY_SUBNET, subnet->vpc, cidr->addr, cidr->len);

	cv_model_index_remove(model->index, &key);
	key = (struct model_key){.kind = MODEL_KEY_FULL, .scope = idx};
	cv_model_index_remove(model->index, &key);
	for (uint8_t len = CIDR_LEN_MIN; len <= cidr->len; len++) {
		struct cv_prefix around = {.addr = cidr->addr & cv_prefix_mask(len), .len = len};
		uint32_t other = 0;

		key = prefix_key(MODEL_KEY_COVER, subnet->vpc, cidr->addr, len);
		if (cv_model_index_get(model->index, &key) != idx)
			continue;
		while (other < model->n_subnets &&
		       (other == idx || model->subnets[other].meta.gone ||
			model->subnets[other].vpc != subnet->vpc ||
			model->subnets[other].cidr.len < len ||
			!cv_prefix_has(&around, model->subnets[other].cidr.addr)))
			other++;
		if (other < model->n_subnets)
			cv_model_index_put(model->index, &key, other);
		else
			cv_model_index_remove(model->index, &key);
	}
}

int cv_model_subnet_add(struct cv_model *model, const struct cv_model_subnet_req *req,
			struct cv_model_errs *errs)
{
	struct model_ctx ctx = {.model = model, .errs = errs, .kind = CV_MODEL_SUBNET};
	struct cv_model_subnet subnet = {
		.vpc = req->vpc, .cidr = req->cidr, .gateway = req->gateway};
	uint32_t idx = CV_MODEL_NONE;
	char basis[256];

	cv_model_begin(&ctx, req->by);
	cv_model_check_name(&ctx, req->vpc, req->name);
	check_subnet_cidr(&ctx, req);
	check_subnet_zone(&ctx, req, &subnet.zone);
	check_gateway(&ctx, req);
	snprintf(basis, sizeof(basis), "%s/%.64s", model->vpcs[req->vpc].id,
		 req->name != NULL ? req->name : "");
	subnet.id = cv_model_id(&ctx, req->id, basis);
	if (req->by != NULL && ctx.ret == 0)
		cv_model_changes_room(&ctx, 8 + model->n_tgs);
	if (ctx.ret != 0)
		return cv_model_end(&ctx);

	subnet.name = req->name != NULL ? cv_model_str(model, req->name) : subnet.id;
	subnet.zone_name =
		cv_model_str(model, owned_zone_name(model, req->vpc, subnet.zone, req->zone));
	if (subnet.name != NULL && subnet.zone_name != NULL &&
	    cv_model_index_room(model->index, 4 + CIDR_LEN_MAX) == 0)
		idx = cv_model_place(&ctx);
	if (idx == CV_MODEL_NONE) {
		cv_model_oom(&ctx);
		return cv_model_end(&ctx);
	}
	model->subnets[idx] = subnet;
	publish_prefixes(model, idx);
	if (req->gateway != 0)
		cv_model_addr_put(model, req->vpc, req->gateway, MODEL_ADDR_GATEWAY);
	cv_model_publish(&ctx, req->vpc, subnet.name, subnet.id, idx);
	cv_model_use(model, CV_MODEL_VPC, req->vpc, 1);
	cv_model_targets_follow(&ctx, idx);
	return cv_model_end(&ctx);
}

uint32_t cv_model_addr_use(const struct cv_model *model, uint32_t vpc, cv_be32_t addr)
{
	struct model_key key = {.kind = MODEL_KEY_ADDR, .scope = vpc, .num = addr};
	uint32_t use = cv_model_index_get(model->index, &key);

	if (use != CV_MODEL_NONE)
		return use;
	key.kind = MODEL_KEY_TARGET_ADDR;
	return cv_model_index_get(model->index, &key) != CV_MODEL_NONE ? MODEL_ADDR_TARGET
								       : CV_MODEL_NONE;
}

void cv_model_addr_drop(struct cv_model *model, uint32_t vpc, cv_be32_t addr)
{
	struct model_key key = {.kind = MODEL_KEY_ADDR, .scope = vpc, .num = addr};
	struct model_key full = {.kind = MODEL_KEY_FULL};

	cv_model_index_remove(model->index, &key);
	full.scope = cv_model_subnet_of(model, vpc, addr);
	if (full.scope != CV_MODEL_NONE)
		cv_model_index_remove(model->index, &full);
}

void cv_model_addr_put(struct cv_model *model, uint32_t vpc, cv_be32_t addr, enum model_addr use)
{
	struct model_key key = {.kind = MODEL_KEY_ADDR, .scope = vpc, .num = addr};

	cv_model_index_put(model->index, &key, use);
}

void cv_model_check_addr(struct model_ctx *ctx, uint32_t subnet, cv_be32_t addr, const char *field)
{
	static const char *const users[] = {"a target", "a gateway", "a load balancer node",
					    "an endpoint's ENI"};
	const struct cv_model_subnet *net = &ctx->model->subnets[subnet];
	uint32_t host = cv_be32_host(addr & ~cv_prefix_mask(net->cidr.len));
	uint32_t last = cv_be32_host(~cv_prefix_mask(net->cidr.len));
	uint32_t use = cv_model_addr_use(ctx->model, net->vpc, addr);
	char a[CV_NET_STR_LEN], b[CV_NET_STR_LEN];

	cv_ip4_str(addr, a);
	cv_prefix_str(&net->cidr, b);
	if (!cv_prefix_has(&net->cidr, addr))
		cv_model_err(ctx, EINVAL, "InvalidParameter", field,
			     "address %s is outside subnet '%s' (%s)", a, net->name, b);
	else if (host < 4 || host == last)
		cv_model_err(ctx, EINVAL, "InvalidParameter", field,
			     "address %s is reserved: the first four and the last of %s are", a, b);
	else if (cv_model_dns_has(&ctx->model->vpcs[net->vpc], addr))
		cv_model_err(ctx, EINVAL, "InvalidParameter", field,
			     "address %s is reserved: the VPC's DNS server has it", a);
	else if (use != CV_MODEL_NONE)
		cv_model_err(ctx, EEXIST, "InvalidIPAddress.InUse", field,
			     "address %s is already in use in VPC '%s' by %s", a,
			     ctx->model->vpcs[net->vpc].name, users[use]);
}
