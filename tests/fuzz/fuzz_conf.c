/* SPDX-License-Identifier: BSD-3-Clause */

/* The configuration reader on any bytes: a good configuration or errors, never both, never neither. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cv_base.h"
#include "cv_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_printable(const char *text)
{
	for (; *text != '\0'; text++)
		cv_assert((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void check_errors(const struct cv_errs *errs, int n_lines)
{
	for (size_t i = 0; i < errs->n; i++) {
		const struct cv_err *err = &errs->items[i];

		cv_assert(err->line >= 0 && err->line <= n_lines);
		cv_assert(err->text[0] != '\0');
		check_printable(err->path);
		check_printable(err->text);
		/* In the order of the file; what concerns no line comes last. */
		cv_assert(i == 0 || err->line == 0 || err->line >= errs->items[i - 1].line);
	}
}

static void check_good(const struct cv_conf *conf)
{
	const struct cv_model *model = conf->model;
	char *text = cv_conf_summary(conf);

	cv_assert(text != NULL);
	free(text);
	cv_assert(conf->dpdk.n_ports > 0 && conf->control.socket != NULL);
	for (uint32_t i = 0; i < model->n_lbs; i++) {
		for (uint32_t n = 0; n < model->lbs[i].n_nodes; n++)
			cv_assert(model->lbs[i].nodes[n].ips[0] != 0);
	}
	for (uint32_t i = 0; i < model->n_endpoints; i++) {
		const struct cv_model_endpoint *endpoint = &model->endpoints[i];

		cv_assert(endpoint->service < model->n_services && endpoint->n_sgs > 0);
		for (uint32_t k = 0; k < endpoint->n_enis; k++) {
			const struct cv_model_eni *eni = &endpoint->enis[k];

			cv_assert(eni->ip != 0 && eni->lb < model->n_lbs);
			cv_assert(eni->node < model->lbs[eni->lb].n_nodes);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct cv_errs errs = {0};
	struct cv_conf *conf = cv_conf_parse((const char *)data, len, &errs);
	int n_lines = 2; /* jansson counts one past the end */

	for (size_t i = 0; i < len; i++)
		n_lines += data[i] == '\n';
	cv_assert((conf != NULL) == (errs.n == 0));
	check_errors(&errs, n_lines);
	if (conf != NULL) {
		check_errors(&conf->warnings, n_lines);
		check_good(conf);
	}
	cv_conf_destroy(conf);
	cv_errs_fini(&errs);
	return 0;
}
