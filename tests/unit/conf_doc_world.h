/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/**
 * @file
 * A file, and the documents of what calls made over it. After cmocka.h, in test programs.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cv_conf_doc.h"

#include "model_world.h"

#include "model_check.h"

#define DOCS_MAX 120

#define HEAD                                                                        \
	"{'region':'us-east-1','zones':['use1-az1','use1-az2'],'accounts':["        \
	"{'id':'111111111111','name':'prov'},{'id':'222222222222','name':'cons'}]," \
	"'dpdk':{'ports':[{'name':'p0','device':'net_null0'}]},'vpcs':["            \
	"{'name':'c','owner':'cons','cidrs':['10.0.0.0/16'],"                       \
	"'attachment':{'port':'p0','vlan':7},'subnets':["                           \
	"{'name':'a','cidr':'10.0.1.0/24','zone':'use1-az1'},"                      \
	"{'name':'b','cidr':'10.0.2.0/24','zone':'use1-az2'}]},"
#define PROV                                                                             \
	"{'name':'p','owner':'prov','cidrs':['10.0.0.0/16'],'attachment':{'port':'p0'}," \
	"'subnets':[{'name':'a','cidr':'10.0.1.0/24','zone':'use1-az1'}]}"
#define WEB                                                                     \
	"'target_groups':[{'name':'web','vpc':'p','port':80,'targets':["        \
	"{'ip':'10.0.1.21'},{'ip':'10.0.1.22'}%s]}],"                           \
	"'load_balancers':[{'name':'web','vpc':'p','subnets':[{'subnet':'a'}]," \
	"'listeners':[{'port':80,'target_group':'web'}]}],"                     \
	"'endpoint_services':[{'name':'web','load_balancers':['web'],"          \
	"'allowed_principals':['*']}],"                                         \
	"'endpoints':[{'name':'ep','vpc':'c','service':'web','subnets':[{'subnet':'a'}]}]}"

static struct cv_conf *conf;
static struct cv_conf_doc docs[DOCS_MAX];
static bool applied[DOCS_MAX];
static uint32_t n_docs;
static uint64_t n_calls;

static inline struct cv_conf *parse(const char *json, bool over)
{
	struct cv_conf_docs list = {.items = docs, .n = n_docs, .applied = applied};
	struct cv_errs said = {0};
	struct cv_conf *got;
	char *text = strdup(json);

	for (char *p = text; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	got = cv_conf_parse_over(text, strlen(text), over ? &list : NULL, &said);
	for (size_t i = 0; i < said.n; i++)
		print_error("%s: %s\n", said.items[i].path, said.items[i].text);
	assert_non_null(got);
	cv_errs_fini(&said);
	free(text);
	m = got->model;
	return got;
}

static inline const char *file_text(const char *more)
{
	static char text[4096];

	snprintf(text, sizeof(text), HEAD PROV "]," WEB, more);
	return text;
}

static inline const struct cv_model_by *by_of(uint32_t account)
{
	static struct cv_model_by by;

	n_calls++;
	by = (struct cv_model_by){
		.account = account, .now = 5000 + n_calls, .random = {7, n_calls}};
	return &by;
}

/* The documents of what has changed, as control writes them. */
static inline void write_docs(void)
{
	for (uint32_t i = 0; i < m->n_changes; i++) {
		const struct cv_model_change *change = &m->changes[i];
		char *text = NULL;

		assert_true(n_docs < DOCS_MAX);
		if (change->idx == CV_MODEL_NONE ||
		    cv_conf_doc_write(m, change->kind, change->idx, &text) == -ENOENT)
			continue;
		assert_non_null(text);
		docs[n_docs++] = (struct cv_conf_doc){change->kind, strdup(change->id), text};
	}
	cv_model_changes_clear(m);
}

static inline void forget_docs(void)
{
	for (uint32_t i = 0; i < n_docs; i++) {
		free((void *)(uintptr_t)docs[i].id);
		free((void *)(uintptr_t)docs[i].text);
	}
	n_docs = 0;
}

static inline int teardown(void **state)
{
	(void)state;
	forget_docs();
	cv_conf_destroy(conf);
	cv_model_errs_fini(&errs);
	conf = NULL;
	n_calls = 0;
	return 0;
}

static inline void no_warning(void)
{
	for (size_t i = 0; i < conf->warnings.n; i++)
		print_error("%s: %s\n", conf->warnings.items[i].path, conf->warnings.items[i].text);
	assert_int_equal(conf->warnings.n, 0);
}
