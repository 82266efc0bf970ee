/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Ports by the worker that RSS brings replies to.
 *
 * The hash of a reply is that of its addresses and source port, which the pool fixes, xor that of the
 * port it goes to. So all pools share one question (the class of a port) and differ in one number (the
 * class of the rest): those with the same number have the same layout.
 */

#include "snat_priv.h"

#include <stdlib.h>

struct cv_snat_map *cv_snat_map_create(const struct cv_rss *rss)
{
	struct cv_snat_map *map = calloc(1, sizeof(*map));

	if (map != NULL)
		cv_rss_table_init(&map->rss, rss);
	return map;
}

void cv_snat_map_destroy(struct cv_snat_map *map)
{
	if (map == NULL)
		return;
	for (uint32_t i = 0; i < map->n; i++)
		free(map->layouts[i]);
	free(map);
}

static struct cv_snat_layout *layout_create(const struct cv_snat_map *map,
					    const struct cv_snat_cfg *cfg, uint32_t hash)
{
	struct cv_snat_layout *layout =
		calloc(1, sizeof(*layout) + cfg->n_ports * sizeof(layout->offsets[0]));
	uint32_t next[CV_SNAT_SLICES_MAX];

	if (layout == NULL)
		return NULL;
	layout->hash = hash;
	for (uint32_t i = 0; i < cfg->n_ports; i++) {
		unsigned int slice =
			cv_snat_map_slice(map, layout, (uint16_t)(cfg->port_first + i));

		cv_assert(slice < cfg->n_slices);
		layout->first[slice + 1]++;
	}
	for (unsigned int slice = 0; slice < CV_SNAT_SLICES_MAX; slice++) {
		layout->first[slice + 1] += layout->first[slice];
		next[slice] = layout->first[slice];
	}
	for (uint32_t i = 0; i < cfg->n_ports; i++) {
		unsigned int slice =
			cv_snat_map_slice(map, layout, (uint16_t)(cfg->port_first + i));

		layout->offsets[next[slice]++] = (uint16_t)i;
	}
	return layout;
}

uint16_t cv_snat_map_layout_get(const struct cv_snat_key *key, struct cv_snat_cfg *cfg)
{
	struct cv_snat_map *map = cfg->map;
	uint32_t hash, i;

	if (cfg->n_slices == 1)
		cfg->map = NULL;
	if (cfg->map == NULL)
		return 0;
	hash = cv_rss_hash(&map->rss, key->target_ip, key->node_ip, key->target_port, 0) &
	       map->rss.mask;
	for (i = 0; i < map->n; i++) {
		const struct cv_snat_layout_key *k = &map->keys[i];

		if (k->hash == hash && k->port_first == cfg->port_first &&
		    k->n_ports == cfg->n_ports)
			return (uint16_t)i;
	}
	if (i < CV_SNAT_LAYOUTS_MAX)
		map->layouts[i] = layout_create(map, cfg, hash);
	if (i == CV_SNAT_LAYOUTS_MAX || map->layouts[i] == NULL) {
		cfg->map = NULL;
		return 0;
	}
	map->keys[i] = (struct cv_snat_layout_key){hash, cfg->port_first, cfg->n_ports};
	map->n++;
	return (uint16_t)i;
}
