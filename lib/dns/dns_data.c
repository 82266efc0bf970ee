/* SPDX-License-Identifier: BSD-3-Clause */

/* Names and who sees them. */

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "dns_priv.h"

#define TABLE_MIN 64

struct cv_dns_data *cv_dns_data_create(void)
{
	struct cv_dns_data *data = calloc(1, sizeof(*data));

	if (data == NULL)
		return NULL;
	data->table = calloc(TABLE_MIN, sizeof(*data->table));
	data->n_table = TABLE_MIN;
	if (data->table == NULL) {
		free(data);
		return NULL;
	}
	data->own = DNS_NONE;
	atomic_init(&data->n_refs, 1);
	return data;
}

struct cv_dns_data *cv_dns_data_get(struct cv_dns_data *data)
{
	atomic_fetch_add(&data->n_refs, 1);
	return data;
}

void cv_dns_data_put(struct cv_dns_data *data)
{
	if (data == NULL || atomic_fetch_sub(&data->n_refs, 1) > 1)
		return;
	for (uint32_t i = 0; i < data->n_vpcs; i++)
		free((char *)(uintptr_t)data->vpcs[i].name);
	free(data->entries);
	free(data->table);
	free(data->bytes);
	free(data->addrs);
	free(data->vpcs);
	free(data->subnets);
	free(data->zones);
	free(data->forwarders);
	free(data);
}

/* Makes room for n more items in an array. Tells whether there is. */
static bool room(void *array, uint32_t *cap, uint32_t n_used, uint32_t n, size_t size)
{
	uint32_t want = *cap < 16 ? 16 : *cap;
	void *grown, *old;

	if (n_used + n <= *cap)
		return true;
	while (want < n_used + n)
		want *= 2;
	memcpy(&old, array, sizeof(old));
	grown = realloc(old, (size_t)want * size);
	if (grown == NULL)
		return false;
	memcpy(array, &grown, sizeof(grown));
	*cap = want;
	return true;
}

#define ROOM(data, array, n) \
	room(&(data)->array, &(data)->cap_##array, (data)->n_##array, (n), sizeof(*(data)->array))

/* ---- keys ---- */

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
}

uint8_t cv_dns_key_of_text(const char *text, uint8_t *key)
{
	size_t len = 0;

	while (*text != '\0') {
		size_t n = strcspn(text, ".");

		/* The root label must fit, too. */
		if (n == 0 || n > DNS_LABEL_MAX || len + n + 2 > DNS_NAME_MAX)
			return 0;
		key[len++] = (uint8_t)n;
		for (size_t i = 0; i < n; i++)
			key[len++] = lower((uint8_t)text[i]);
		text += n + (text[n] == '.');
	}
	key[len] = 0;
	return len > 0 ? (uint8_t)(len + 1) : 0;
}

void cv_dns_key_of_wire(const uint8_t *wire, size_t len, uint8_t *key)
{
	/* Lengths of labels are below any letter. */
	for (size_t i = 0; i < len; i++)
		key[i] = lower(wire[i]);
}

/* A key as text, shape [CV_DNS_TEXT_LEN]; what is no printable character becomes `\DDD`. */
static const char *text_of_key(const uint8_t *key, char *buf)
{
	size_t len = 0;

	while (*key != 0) {
		uint8_t n = *key++;

		for (; n > 0; n--, key++) {
			if (*key > ' ' && *key < 0x7f && *key != '.' && *key != '\\') {
				buf[len++] = (char)*key;
				continue;
			}
			buf[len++] = '\\';
			buf[len++] = (char)('0' + *key / 100);
			buf[len++] = (char)('0' + *key / 10 % 10);
			buf[len++] = (char)('0' + *key % 10);
		}
		if (*key != 0)
			buf[len++] = '.';
	}
	buf[len] = '\0';
	return buf;
}

/* ---- the table ---- */

static uint32_t hash_of(uint16_t vpc, const uint8_t *key, uint8_t len)
{
	return (uint32_t)cv_siphash(key, len, vpc, 0);
}

static bool is_entry(const struct cv_dns_data *data, uint32_t idx, uint16_t vpc, const uint8_t *key,
		     uint8_t len)
{
	const struct dns_entry *e = &data->entries[idx];

	return e->vpc == vpc && e->key_len == len && memcmp(data->bytes + e->key, key, len) == 0;
}

/* The place of a key in the table, or the free one where it belongs. */
static uint32_t place_find(const struct cv_dns_data *data, uint16_t vpc, const uint8_t *key,
			   uint8_t len)
{
	uint32_t at = hash_of(vpc, key, len) & (data->n_table - 1);

	while (data->table[at] != 0 && !is_entry(data, data->table[at] - 1, vpc, key, len))
		at = (at + 1) & (data->n_table - 1);
	return at;
}

static uint32_t exact_find(const struct cv_dns_data *data, uint16_t vpc, const uint8_t *key,
			   uint8_t len)
{
	return data->table[place_find(data, vpc, key, len)] - 1; /* 0 becomes DNS_NONE */
}

static bool table_grow(struct cv_dns_data *data)
{
	uint32_t *old = data->table, n = data->n_table * 2;

	if (data->n_entries < data->n_table / 2)
		return true;
	data->table = calloc(n, sizeof(*data->table));
	if (data->table == NULL) {
		data->table = old;
		return false;
	}
	data->n_table = n;
	for (uint32_t i = 0; i < data->n_entries; i++) {
		const struct dns_entry *e = &data->entries[i];

		data->table[place_find(data, e->vpc, data->bytes + e->key, e->key_len)] = i + 1;
	}
	free(old);
	return true;
}

/* Puts bytes into data. @return where, or DNS_NONE: no memory */
static uint32_t bytes_add(struct cv_dns_data *data, const uint8_t *bytes, uint8_t len)
{
	if (!ROOM(data, bytes, len))
		return DNS_NONE;
	memcpy(data->bytes + data->n_bytes, bytes, len);
	data->n_bytes += len;
	return data->n_bytes - len;
}

/* Adds an entry without addresses. @return its index, or DNS_NONE: no memory */
static uint32_t entry_add(struct cv_dns_data *data, uint16_t vpc, const uint8_t *key, uint8_t len)
{
	struct dns_entry e = {.alias = DNS_NONE, .vpc = vpc, .key_len = len};

	if (!ROOM(data, entries, 1) || !table_grow(data))
		return DNS_NONE;
	e.key = bytes_add(data, key, len);
	if (e.key == DNS_NONE)
		return DNS_NONE;
	data->entries[data->n_entries] = e;
	data->table[place_find(data, vpc, key, len)] = data->n_entries + 1;
	return data->n_entries++;
}

uint32_t cv_dns_zone_find(const struct cv_dns_data *data, const uint8_t *key, uint8_t len)
{
	for (; len > 1; len -= key[0] + 1, key += key[0] + 1)
		for (uint32_t i = 0; i < data->n_zones; i++)
			if (i != data->own && data->zones[i].len == len &&
			    memcmp(data->zones[i].key, key, len) == 0)
				return i;
	return DNS_NONE;
}

/* The names above one exist, up to its zone. @return false: no memory */
static bool inners_add(struct cv_dns_data *data, uint16_t vpc, const uint8_t *key, uint8_t len)
{
	uint32_t zone = cv_dns_zone_find(data, key, len), idx;

	while (zone != DNS_NONE && len > data->zones[zone].len) {
		len -= key[0] + 1;
		key += key[0] + 1;
		if (exact_find(data, vpc, key, len) != DNS_NONE)
			return true;
		idx = entry_add(data, vpc, key, len);
		if (idx == DNS_NONE)
			return false;
		data->entries[idx].is_inner = true;
	}
	return true;
}

/* ---- making ---- */

int cv_dns_data_zone_add(struct cv_dns_data *data, const char *name)
{
	struct dns_zone zone;

	zone.len = cv_dns_key_of_text(name, zone.key);
	if (zone.len == 0 || zone.len > DNS_NAME_MAX - DNS_ZONE_MORE)
		return -EINVAL;
	if (!ROOM(data, zones, 1))
		return -ENOMEM;
	data->zones[data->n_zones++] = zone;
	return 0;
}

void cv_dns_data_rate_set(struct cv_dns_data *data, uint32_t rate)
{
	data->rate = rate;
}

int cv_dns_data_vpc_add(struct cv_dns_data *data, const struct cv_dns_vpc *vpc)
{
	char *name = strdup(vpc->name);

	if (name == NULL || !ROOM(data, vpcs, 1)) {
		free(name);
		return -ENOMEM;
	}
	data->vpcs[data->n_vpcs] = *vpc;
	data->vpcs[data->n_vpcs++].name = name;
	return 0;
}

int cv_dns_data_subnet_add(struct cv_dns_data *data, const struct cv_dns_subnet *subnet)
{
	if (!ROOM(data, subnets, 1))
		return -ENOMEM;
	data->subnets[data->n_subnets++] = *subnet;
	return 0;
}

int cv_dns_data_name_add(struct cv_dns_data *data, const struct cv_dns_name *name)
{
	uint8_t key[DNS_NAME_MAX], alias[DNS_NAME_MAX], alias_len = 0;
	uint8_t len = cv_dns_key_of_text(name->name, key);
	uint32_t idx, alias_at = DNS_NONE;
	struct dns_entry *e;

	if (name->alias != NULL)
		alias_len = cv_dns_key_of_text(name->alias, alias);
	if (len == 0 || (name->alias != NULL && alias_len == 0))
		return -EINVAL;
	idx = exact_find(data, name->vpc, key, len);
	if (idx != DNS_NONE && !data->entries[idx].is_inner)
		return -EEXIST;
	/* Memory first: a name is there whole or not at all. */
	if (!ROOM(data, addrs, name->n_addrs + 1) || !inners_add(data, name->vpc, key, len))
		return -ENOMEM;
	if (name->alias != NULL) {
		alias_at = bytes_add(data, alias, alias_len);
		if (alias_at == DNS_NONE)
			return -ENOMEM;
	}
	if (idx == DNS_NONE)
		idx = entry_add(data, name->vpc, key, len);
	if (idx == DNS_NONE)
		return -ENOMEM;
	e = &data->entries[idx];
	e->is_inner = false;
	e->affinity = (uint8_t)name->affinity;
	e->alias = alias_at;
	e->alias_len = alias_len;
	e->addrs = data->n_addrs;
	e->n_addrs = name->n_addrs;
	if (name->n_addrs > 0)
		memcpy(data->addrs + data->n_addrs, name->addrs,
		       name->n_addrs * sizeof(*name->addrs));
	data->n_addrs += name->n_addrs;
	return 0;
}

int cv_dns_data_forwarder_add(struct cv_dns_data *data, const struct cv_dns_forwarder *forwarder)
{
	if (!ROOM(data, forwarders, 1))
		return -ENOMEM;
	data->forwarders[data->n_forwarders++] = *forwarder;
	return 0;
}

/* ---- looking ---- */

const struct cv_dns_vpc *cv_dns_data_vpcs(const struct cv_dns_data *data, uint32_t *ret_n)
{
	*ret_n = data->n_vpcs;
	return data->vpcs;
}

bool cv_dns_data_name_next(const struct cv_dns_data *data, uint32_t *pos,
			   struct cv_dns_name *ret_name, char *buf)
{
	const struct dns_entry *e;

	while (*pos < data->n_entries && data->entries[*pos].is_inner)
		++*pos;
	if (*pos == data->n_entries)
		return false;
	e = &data->entries[(*pos)++];
	*ret_name = (struct cv_dns_name){
		.vpc = e->vpc,
		.name = text_of_key(data->bytes + e->key, buf),
		.alias = e->alias == DNS_NONE
				 ? NULL
				 : text_of_key(data->bytes + e->alias, buf + CV_DNS_TEXT_LEN),
		.affinity = (enum cv_dns_affinity)e->affinity,
		.addrs = data->addrs + e->addrs,
		.n_addrs = e->n_addrs,
	};
	return true;
}

static uint32_t visible_find(const struct cv_dns_data *data, uint16_t vpc, const uint8_t *key,
			     uint8_t len)
{
	uint32_t idx = exact_find(data, vpc, key, len);

	return idx != DNS_NONE ? idx : exact_find(data, CV_DNS_EVERYWHERE, key, len);
}

uint32_t cv_dns_entry_find(const struct cv_dns_data *data, uint16_t vpc, const uint8_t *key,
			   uint8_t len)
{
	uint8_t wild[DNS_NAME_MAX + 2] = {1, '*'};
	uint32_t idx = visible_find(data, vpc, key, len);

	while (idx == DNS_NONE && len > 1) {
		len -= key[0] + 1;
		key += key[0] + 1;
		/* The closest name that exists decides, RFC 4592: a wildcard above it is hidden. */
		if (visible_find(data, vpc, key, len) != DNS_NONE) {
			memcpy(wild + 2, key, len);
			return visible_find(data, vpc, wild, (uint8_t)(len + 2));
		}
		memcpy(wild + 2, key, len);
		idx = visible_find(data, vpc, wild, (uint8_t)(len + 2));
	}
	return idx;
}

uint32_t cv_dns_client_zone(const struct cv_dns_data *data, uint16_t vpc, cv_be32_t client)
{
	for (uint32_t i = 0; i < data->n_subnets; i++)
		if (data->subnets[i].vpc == vpc && cv_prefix_has(&data->subnets[i].cidr, client))
			return data->subnets[i].zone;
	return CV_DNS_NO_ZONE;
}
