/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * Inside the reader: the schema table, and the document as a flat list of values that know their line,
 * their parent and their row of the schema.
 */

#include <jansson.h>

#include "cv_conf.h"

#define CONF_NONE UINT32_MAX

/** What a value must be. */
enum conf_type {
	CONF_OBJECT,
	CONF_MAP, /**< object with keys of the user's choice */
	CONF_LIST,
	CONF_STRING,
	CONF_INT,
	CONF_BOOL,
	CONF_ENUM,       /**< one of choices; `true` and `false` stand for the JSON literals */
	CONF_IP,         /**< string: IPv4 address */
	CONF_PREFIX,     /**< string: IPv4 prefix */
	CONF_PORTS,      /**< integer, or string `80` or `80-443` */
	CONF_RANGE,      /**< integer, or string `100` or `100-199`, within min..max */
	CONF_LEAST,      /**< integer, or string `off`, which is 0 */
	CONF_CHECK_PORT, /**< integer, or string `80` or `traffic-port` */
};

/** A value that stands for one resource: an error inside spoils it and nothing around it. */
#define CONF_RESOURCE 1
#define CONF_REQUIRED 2

/* What it takes that a change is served: of this row, and of those below that say nothing themselves. */
#define CONF_LIVE 4    /* that the file is read again */
#define CONF_RESTART 8 /* a restart: control refuses a file that changes it */
#define CONF_RAISE 16  /* read again if it becomes more, else a restart */
/** A text that people write: its length is in characters, as in the APIs; of others in bytes. */
#define CONF_CHARACTERS 32
#define CONF_RELOADS (CONF_LIVE | CONF_RESTART | CONF_RAISE)

/** One row of the schema: what one place of the configuration may hold. */
struct conf_row {
	const char *path; /**< `vpcs[].cidrs[]`; `[]` is an element, `*` any key, "" the whole */
	enum conf_type type;
	unsigned int flags;
	int64_t min; /**< integer: least value; string: length; list or map: elements */
	int64_t max;
	const char *def;     /**< default as text, NULL for none */
	const char *unit;    /**< "" for none */
	const char *choices; /**< of CONF_ENUM: `a|b|c` */
	const char *help;
};

/** Most rows that the schema may have. */
#define CONF_ROWS_MAX 256

/** The schema, parents before children. @return the rows, shape [*ret_n] */
const struct conf_row *cv_conf_schema(uint32_t *ret_n);

/** The parent of a row, or CONF_NONE for the first; *ret_key is the row's own part of the path. */
uint32_t cv_conf_row_parent(uint32_t row, const char **ret_key);

/** One of CONF_RELOADS; 0: neither the row nor one around it says. */
unsigned int cv_conf_row_reload(uint32_t row);

/** A value of the document. */
struct conf_node {
	json_t *value;   /**< borrowed; NULL inside what a duplicate key hides */
	const char *key; /**< in an object; not NUL-terminated */
	uint32_t key_len;
	uint32_t raw_len; /**< of a string in the text, with its quotes */
	const char *raw;  /**< where it begins in the text */
	uint32_t parent;
	uint32_t ord; /**< position among the parent's values */
	uint32_t end; /**< index after the last value inside this one */
	uint32_t line;
	uint32_t row;   /**< CONF_NONE: unknown, or inside something unknown */
	bool is_object; /**< in the text */
	bool hidden;    /**< a later key of the same name replaces it */
	bool spoiled;   /**< an error is in it */
};

/** The document, in the order of the text. */
struct conf_doc {
	struct conf_node *nodes; /**< shape [n]; the first is the whole */
	uint32_t n;
	json_t *root;    /**< owned */
	json_t *decoded; /**< owned: keys that were written with escapes */
};

/** One run of the reader. */
struct conf_run {
	struct conf_doc doc;
	struct cv_errs *errs;
	struct cv_conf *conf;
	struct {
		uint32_t parent, first, next; /* family of a row */
		const char *key;
		size_t key_len;
	} rows[CONF_ROWS_MAX];
	bool oom;
	uint32_t root_row;               /**< row of the document's root */
	const struct cv_conf_docs *docs; /**< NULL: none */
	const struct cv_model_by *by;    /**< of a document's resource; NULL: the file's */
	const struct conf_restore *restore;
};

/** What a document knows of its resource beside the schema. */
struct conf_restore {
	const char *id; /**< the document's */
	enum cv_model_state state;
	uint64_t state_since;
	uint64_t zones;
	const char *eni_lbs[64];
	bool private_dns;
};

/**
 * Record where each value of valid JSON text stands.
 *
 * @param text  shape [len], accepted by jansson as root
 * @param root  taken over, also on failure
 * @return 0, -ENOMEM, or -EMSGSIZE (more values than can be numbered)
 */
int cv_conf_doc_init(struct conf_doc *doc, const char *text, size_t len, json_t *root);

/** Free a document. */
void cv_conf_doc_fini(struct conf_doc *doc);

/** The value of a key, or CONF_NONE. */
uint32_t cv_conf_doc_child(const struct conf_doc *doc, uint32_t node, const char *key, size_t len);

/** The first value inside a list, map or object, or CONF_NONE. */
uint32_t cv_conf_doc_first(const struct conf_doc *doc, uint32_t node);

/** The value after this one inside the same list, map or object, or CONF_NONE. */
uint32_t cv_conf_doc_next(const struct conf_doc *doc, uint32_t node);

/** Add an error at a value, and spoil the resource it is in. */
void cv_conf_err(struct conf_run *run, uint32_t node, const char *fmt, ...) CV_PRINTF(3, 4);

/** Add an error to a list, at a part of a value that need not exist: `subnets[1].ip` or "". */
void cv_conf_err_at(struct conf_run *run, struct cv_errs *errs, uint32_t node, const char *part,
		    const char *text);

/**
 * The deepest value on a path below a node, which may be the node itself.
 *
 * @param[out] ret_rest  what of the path is not there; may be NULL
 */
uint32_t cv_conf_doc_deepest(const struct conf_doc *doc, uint32_t node, const char *path,
			     const char **ret_rest);

/** Check the whole document against the schema. */
void cv_conf_validate(struct conf_run *run);

/* Values below `base`, by a path such as `snat.port_first`; the schema's default if absent or wrong. */
uint32_t cv_conf_node(struct conf_run *run, uint32_t base, const char *path);
const char *cv_conf_str(struct conf_run *run, uint32_t base, const char *path);
uint32_t cv_conf_u32(struct conf_run *run, uint32_t base, const char *path);
bool cv_conf_bool(struct conf_run *run, uint32_t base, const char *path);

/** The position of a value among choices, or CONF_NONE. */
uint32_t cv_conf_choice_of(const char *choices, const json_t *value);

/** A choice as its index in the row's list. */
uint32_t cv_conf_choice(struct conf_run *run, uint32_t base, const char *path);

/** The address or prefix that a value holds; 0 if it is absent or wrong. */
cv_be32_t cv_conf_ip(const struct conf_run *run, uint32_t node);
struct cv_prefix cv_conf_prefix(const struct conf_run *run, uint32_t node);

/** Elements of a list, 0 if it is absent. */
uint32_t cv_conf_count(const struct conf_run *run, uint32_t list);

/** Strings of a list in a new array; NULL if there are none or memory ran out (run->oom). */
const char **cv_conf_strs(struct conf_run *run, uint32_t list, uint32_t *ret_n);

/** Read `80`, `80-443` or 80. @return whether it is that, with 0 <= first, last <= 65535 */
bool cv_conf_ports(const json_t *value, uint32_t *ret_first, uint32_t *ret_last);

/** Read 100, `100` or `100-199`. @return whether it is that, with min <= first <= last <= max */
bool cv_conf_range(const json_t *value, const struct conf_row *row, uint32_t *ret_first,
		   uint32_t *ret_last);

/** Read 80, `80` or `traffic-port`, which is 0. @return whether it is that */
bool cv_conf_check_port(const json_t *value, uint32_t *ret_port);

/** Fill everything but the model. */
void cv_conf_build_settings(struct conf_run *run);

/** The row of a path, or CONF_NONE. */
uint32_t cv_conf_row_find(const char *path);

/**
 * Add one resource: the document's root is it.
 *
 * @param owner  VPC of a subnet or security group
 */
void cv_conf_build_one(struct conf_run *run, enum cv_model_kind kind, uint32_t owner);

/** Hand the model's errors on, with path and line. Empties the list. */
void cv_conf_report(struct conf_run *run, uint32_t node, struct cv_model_errs *errs);

/** Check that a value names a port of `dpdk.ports`. */
void cv_conf_check_port_name(struct conf_run *run, uint32_t node);

/** Rules of a security group; texts stay the document's. @return shape [*ret_n] for
 * cv_conf_rules_free(), NULL: run->oom */
struct cv_model_rule *cv_conf_rules(struct conf_run *run, uint32_t list, uint32_t *ret_n);
void cv_conf_rules_free(struct cv_model_rule *rules, uint32_t n);

/** Read a `vxlan` object but its networks. @param[out] peers  shape [CV_MODEL_PEERS_MAX] */
struct cv_model_vxlan cv_conf_vxlan(struct conf_run *run, uint32_t at, cv_be32_t *peers);

/** Add attachments for VPCs that calls make. */
void cv_conf_build_pool(struct conf_run *run, uint32_t node, uint32_t arg);

/** Put documents over the model. What does not fit is a warning. */
void cv_conf_replay(struct conf_run *run, const struct cv_conf_docs *docs);

/** Fill the model. */
void cv_conf_build_model(struct conf_run *run);
