/* SPDX-License-Identifier: BSD-3-Clause */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_log.h>

#include "io_priv.h"

/* Lines about one failure; the first say what went wrong, later ones only who noticed. */
#define TEXT_LEN 240
#define LINE_LEN 512
/* Errors of a running driver that are logged per second; a broken device can make thousands. */
#define ERRORS_PER_SECOND 5

struct cv_io_log {
	FILE *stream;
	bool settled;
	size_t line_len;
	char line[LINE_LEN];
	char errors[TEXT_LEN];
	char warnings[TEXT_LEN];
	char text[TEXT_LEN];
	uint64_t second; /* of cv_clock_ms(), in which `n_logged` errors were logged */
	unsigned int n_logged;
	int file;     /* where everything goes while it is captured; -1: it is not */
	int saved[2]; /* stdout and stderr meanwhile */
	off_t mark;   /* end of file when the lines were forgotten */
};

/* Appends a line to a text, "; " between; what does not fit whole is left out, but for the first. */
static void keep(char *text, const char *line)
{
	size_t len = strlen(text), line_len = strlen(line);

	if (line_len == 0 || strstr(text, line) != NULL)
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
		log->n_logged = 0;
	}
	if (log->n_logged++ < ERRORS_PER_SECOND)
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
	if (log->file >= 0)
		dprintf(log->file, "%s\n", log->line);
	else if (log->settled && level <= RTE_LOG_ERR)
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

void cv_io_log_capture(struct cv_io_log *log)
{
	/* Without a file to capture to, libraries simply print. */
	log->mark = 0;
	log->file = memfd_create("culvert-log", MFD_CLOEXEC);
	if (log->file < 0)
		return;
	fflush(stdout);
	fflush(stderr);
	log->saved[0] = dup(STDOUT_FILENO);
	log->saved[1] = dup(STDERR_FILENO);
	dup2(log->file, STDOUT_FILENO);
	dup2(log->file, STDERR_FILENO);
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
	cv_io_log_capture(log);
	rte_openlog_stream(log->stream);
	return log;
}

/* Reads the captured text from an offset. @return NULL if there is none */
static char *read_captured(const struct cv_io_log *log, off_t from)
{
	off_t end = log->file >= 0 ? lseek(log->file, 0, SEEK_CUR) : 0;
	char *text;
	ssize_t len;

	if (end <= from)
		return NULL;
	text = malloc((size_t)(end - from) + 1);
	if (text == NULL)
		return NULL;
	len = pread(log->file, text, (size_t)(end - from), from);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

void cv_io_log_settle(struct cv_io_log *log)
{
	char *text, *line, *rest;

	flockfile(log->stream);
	log->settled = true;
	fflush(stdout);
	fflush(stderr);
	text = read_captured(log, 0);
	if (log->file >= 0) {
		dup2(log->saved[0], STDOUT_FILENO);
		dup2(log->saved[1], STDERR_FILENO);
		close(log->saved[0]);
		close(log->saved[1]);
		close(log->file);
		log->file = -1;
	}
	for (line = text; line != NULL && *line != '\0'; line = rest) {
		rest = line + strcspn(line, "\n");
		if (*rest == '\n')
			*rest++ = '\0';
		cv_log(CV_LOG_DEBUG, "dpdk: %s", line);
	}
	free(text);
	funlockfile(log->stream);
}

void cv_io_log_destroy(struct cv_io_log *log)
{
	if (log == NULL)
		return;
	rte_openlog_stream(NULL);
	cv_io_log_settle(log);
	fclose(log->stream);
	free(log);
}

void cv_io_log_reset(struct cv_io_log *log)
{
	flockfile(log->stream);
	fflush(stdout);
	fflush(stderr);
	log->mark = log->file >= 0 ? lseek(log->file, 0, SEEK_CUR) : 0;
	log->errors[0] = '\0';
	log->warnings[0] = '\0';
	funlockfile(log->stream);
}

/* What the kernel told a library is the cause; DPDK's own lines are its consequences. */
static void keep_causes(char *captured, char *text)
{
	static const char *const marks[] = {"Kernel error message: ", "libxdp: Error ",
					    "unrecognized option", "invalid option"};
	char *line, *rest;
	const char *cause;
	size_t i;

	for (line = captured; line != NULL && *line != '\0'; line = rest) {
		rest = line + strcspn(line, "\n");
		if (*rest == '\n')
			*rest++ = '\0';
		for (i = 0; i < CV_ARRAY_LEN(marks); i++) {
			cause = strstr(line, marks[i]);
			if (cause == NULL)
				continue;
			keep(text, i == 0 ? cause + strlen(marks[i]) : line);
			break;
		}
	}
}

const char *cv_io_log_text(struct cv_io_log *log)
{
	char *captured;

	flockfile(log->stream);
	fflush(stdout);
	fflush(stderr);
	log->text[0] = '\0';
	captured = read_captured(log, log->mark);
	keep_causes(captured, log->text);
	free(captured);
	keep(log->text, log->errors[0] != '\0' ? log->errors : log->warnings);
	funlockfile(log->stream);
	return log->text;
}
