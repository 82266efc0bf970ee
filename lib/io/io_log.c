/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdlib.h>
#include <string.h>

#include <rte_log.h>

#include "io_priv.h"

/* Lines about one failure; the first say what went wrong, later ones only who noticed. */
#define TEXT_LEN 240
/* Errors of a running driver that are logged per second; a broken device can make thousands. */
#define ERRORS_PER_SECOND 5

struct cv_io_log {
	FILE *stream;
	bool settled;
	size_t line_len;
	char line[512];
	char errors[TEXT_LEN];
	char warnings[TEXT_LEN];
	char text[TEXT_LEN];
	uint64_t second; /* of cv_clock_ms(), in which `logged` errors were logged */
	unsigned int logged;
};

/* Appends a line to a text, "; " between; what does not fit whole is left out, but for the first. */
static void keep(char *text, const char *line)
{
	size_t len = strlen(text), line_len = strlen(line);

	if (strstr(text, line) != NULL)
		return;
	if (len > 0 && len + 2 + line_len < TEXT_LEN) {
		memcpy(text + len, "; ", 2);
		memcpy(text + len + 2, line, line_len + 1);
	} else if (len == 0) {
		line_len = line_len < TEXT_LEN ? line_len : TEXT_LEN - 1;
		memcpy(text, line, line_len);
		text[line_len] = '\0';
	}
}

static void log_error(struct cv_io_log *log)
{
	uint64_t second = cv_clock_ms() / 1000;

	if (second != log->second) {
		log->second = second;
		log->logged = 0;
	}
	if (log->logged++ < ERRORS_PER_SECOND)
		cv_log(CV_LOG_WARNING, "dpdk: %s", log->line);
}

static void end_line(struct cv_io_log *log, uint32_t level)
{
	log->line[log->line_len] = '\0';
	log->line_len = 0;
	if (log->line[0] == '\0')
		return;
	if (level <= RTE_LOG_ERR)
		keep(log->errors, log->line);
	else if (level == RTE_LOG_WARNING)
		keep(log->warnings, log->line);
	if (log->settled && level <= RTE_LOG_ERR)
		log_error(log);
	else
		cv_log(CV_LOG_DEBUG, "dpdk: %s", log->line);
}

/* Called with the stream locked, in the thread that logs. */
static ssize_t on_write(void *cookie, const char *buf, size_t len)
{
	struct cv_io_log *log = cookie;
	int level = rte_log_cur_msg_loglevel();
	size_t i;

	for (i = 0; i < len; i++) {
		if (buf[i] == '\n')
			end_line(log, level < 0 ? RTE_LOG_INFO : (uint32_t)level);
		else if (log->line_len + 1 < sizeof(log->line))
			log->line[log->line_len++] = buf[i];
	}
	return (ssize_t)len;
}

struct cv_io_log *cv_io_log_create(void)
{
	static const cookie_io_functions_t io = {.write = on_write};
	struct cv_io_log *log = calloc(1, sizeof(*log));

	if (log == NULL)
		return NULL;
	log->stream = fopencookie(log, "w", io);
	if (log->stream == NULL) {
		free(log);
		return NULL;
	}
	rte_openlog_stream(log->stream);
	return log;
}

void cv_io_log_destroy(struct cv_io_log *log)
{
	if (log == NULL)
		return;
	rte_openlog_stream(NULL);
	fclose(log->stream);
	free(log);
}

void cv_io_log_reset(struct cv_io_log *log)
{
	flockfile(log->stream);
	log->errors[0] = '\0';
	log->warnings[0] = '\0';
	funlockfile(log->stream);
}

const char *cv_io_log_text(struct cv_io_log *log)
{
	flockfile(log->stream);
	snprintf(log->text, sizeof(log->text), "%s",
		 log->errors[0] != '\0' ? log->errors : log->warnings);
	funlockfile(log->stream);
	return log->text;
}

void cv_io_log_settle(struct cv_io_log *log)
{
	flockfile(log->stream);
	log->settled = true;
	funlockfile(log->stream);
}
