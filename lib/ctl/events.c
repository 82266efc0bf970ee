/* SPDX-License-Identifier: BSD-3-Clause */

/* The ring of events, and questions for it. They need no control: it may be busy while one waits. */

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "ctl_priv.h"

void cv_ctl_ring_init(struct ctl_ring *ring)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&ring->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&ring->more, &attr);
	pthread_condattr_destroy(&attr);
	/* Another one than that of the process before: it fits a number of JSON. */
	if (getrandom(&ring->boot, sizeof(ring->boot), GRND_NONBLOCK) < 0)
		ring->boot = cv_clock_ms();
	ring->boot = (ring->boot & INT64_MAX) | 1;
}

void cv_ctl_ring_close(struct ctl_ring *ring)
{
	pthread_mutex_lock(&ring->lock);
	ring->closed = true;
	pthread_cond_broadcast(&ring->more);
	pthread_mutex_unlock(&ring->lock);
}

void cv_ctl_ring_fini(struct ctl_ring *ring)
{
	for (uint32_t i = 0; ring->items != NULL && i < CV_CTL_EVENTS_MAX; i++)
		free(ring->items[i].text);
	free(ring->items);
	pthread_cond_destroy(&ring->more);
	pthread_mutex_destroy(&ring->lock);
}

/* ---- adding ---- */

static uint64_t wall_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static char *event_text(uint64_t seq, uint64_t at_ms, const char *event,
			const struct cv_ctl_field *fields, size_t n)
{
	char at[32], stamp[48];
	json_t *root;
	char *text;
	int ret = 0;

	cv_ctl_time_str((time_t)(at_ms / 1000), at);
	at[strcspn(at, "Z")] = '\0';
	snprintf(stamp, sizeof(stamp), "%s.%03uZ", at, (unsigned int)(at_ms % 1000));
	root = json_pack("{s:I, s:s, s:s}", "seq", (json_int_t)seq, "time", stamp, "event", event);
	for (size_t i = 0; root != NULL && ret == 0 && i < n; i++) {
		if (fields[i].text != NULL)
			ret = json_object_set_new(root, fields[i].name,
						  json_string(fields[i].text));
	}
	text = ret == 0 ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

void cv_ctl_event(void *ctl, const char *event, const struct cv_ctl_field *fields, size_t n)
{
	struct ctl_ring *ring = &((struct cv_ctl *)ctl)->ring;
	struct ctl_event *item;

	pthread_mutex_lock(&ring->lock);
	ring->seq++;
	if (ring->items == NULL)
		ring->items = calloc(CV_CTL_EVENTS_MAX, sizeof(*ring->items));
	if (ring->items != NULL) {
		item = &ring->items[ring->seq % CV_CTL_EVENTS_MAX];
		free(item->text);
		item->seq = ring->seq;
		item->at_ms = wall_ms();
		item->text = event_text(ring->seq, item->at_ms, event, fields, n);
	}
	pthread_cond_broadcast(&ring->more);
	pthread_mutex_unlock(&ring->lock);
}

/* ---- asking ---- */

/* What a question has got. */
struct got {
	uint64_t next; /* seq of the last that was looked at */
	uint64_t lost;
	bool more;
	json_t *events; /* NULL: memory ran out */
};

static void got_add(struct got *got, const char *text)
{
	if (got->events == NULL ||
	    json_array_append_new(got->events, json_loads(text, 0, NULL)) == 0)
		return;
	json_decref(got->events);
	got->events = NULL;
}

/* Under the lock. */
static void collect(const struct ctl_ring *ring, const struct cv_ctl_events_query *query,
		    uint64_t after, struct got *got)
{
	uint64_t first = ring->seq > CV_CTL_EVENTS_MAX ? ring->seq - CV_CTL_EVENTS_MAX : 0;
	uint32_t n = 0;

	got->next = after > first ? after : first;
	/* Who names a time knows that the ring has an end; who goes on must be told. */
	got->lost = query->since_ms == 0 || after > 0 ? got->next - after : 0;
	while (got->next < ring->seq && n < CV_CTL_EVENTS_ANSWER_MAX) {
		const struct ctl_event *item =
			ring->items != NULL ? &ring->items[(got->next + 1) % CV_CTL_EVENTS_MAX]
					    : NULL;

		got->next++;
		if (item == NULL || item->text == NULL) {
			got->lost++;
			continue;
		}
		if (item->at_ms < query->since_ms)
			continue;
		got_add(got, item->text);
		n++;
	}
	got->more = got->next < ring->seq;
}

static void wait_for_more(struct ctl_ring *ring, uint64_t after, uint32_t seconds)
{
	struct timespec until;
	int ret = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	while (ring->seq <= after && !ring->closed && ret == 0)
		ret = pthread_cond_timedwait(&ring->more, &ring->lock, &until);
}

int cv_ctl_events(void *arg, const struct cv_ctl_events_query *query, struct cv_ctl_reply *reply)
{
	struct ctl_ring *ring = &((struct cv_ctl *)arg)->ring;
	uint64_t after = query->boot == ring->boot ? query->after : 0;
	struct got got = {.events = json_array()};
	json_t *root;
	int ret;

	if (query->wait > CV_CTL_EVENTS_WAIT_MAX) {
		json_decref(got.events);
		reply->text = strdup("events: so many seconds are too long");
		reply->len = reply->text != NULL ? strlen(reply->text) : 0;
		return reply->text != NULL ? -EINVAL : -ENOMEM;
	}
	pthread_mutex_lock(&ring->lock);
	if (after > ring->seq)
		after = ring->seq;
	if (query->wait > 0)
		wait_for_more(ring, after, query->wait);
	collect(ring, query, after, &got);
	pthread_mutex_unlock(&ring->lock);
	root = got.events != NULL
		       ? json_pack("{s:I, s:I, s:I, s:b, s:O}", "boot", (json_int_t)ring->boot,
				   "next", (json_int_t)got.next, "lost", (json_int_t)got.lost,
				   "more", (int)got.more, "events", got.events)
		       : NULL;
	ret = root != NULL ? cv_ctl_json_write(root, &reply->text, &reply->len) : -ENOMEM;
	json_decref(root);
	json_decref(got.events);
	return ret;
}
