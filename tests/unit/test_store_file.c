/* SPDX-License-Identifier: BSD-3-Clause */

/* The store's file: whose it is, of which version, damaged, moved, removed, replaced. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include "cv_store.h"
#include "store_world.h"

#define SUM_K_V "1885312359695983241"

static void nobody_else_reads_or_opens_the_file(void **state)
{
	struct cv_store *store = open_ok(file);
	const struct cv_store_op op = put("a", "1");
	struct stat st;
	char name[128];

	(void)state;
	assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	snprintf(name, sizeof(name), "%s-wal", file);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	open_fails(file, -EBUSY, "another culvertd");
	cv_store_close(store);
	assert_int_equal(chmod(file, 0644), 0);
	cv_store_close(open_ok(file));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_missing_directory_is_made_but_not_two(void **state)
{
	char path[160];

	(void)state;
	snprintf(path, sizeof(path), "%s/one/state.db", dir);
	cv_store_close(open_ok(path));
	snprintf(path, sizeof(path), "%s/two/three/state.db", dir);
	open_fails(path, -ENOENT, "directory");
	open_fails(dir, -EACCES, "directory");
}

static void sql(const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void a_file_of_version_1_is_brought_up_to_date(void **state)
{
	const struct cv_store_op op = mail_op("q", "m");
	struct cv_store_message sent;
	struct cv_errs errs = {0};
	struct cv_store *store;

	(void)state;
	/* As version 1 wrote it: no outbox. The sum is of ("k", "v"). */
	sql("CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
	    "INSERT INTO meta VALUES ('revision', 41), ('compacted', 3);"
	    "CREATE TABLE item (space INTEGER NOT NULL, key TEXT NOT NULL, rev INTEGER NOT NULL,"
	    " value BLOB, sum INTEGER NOT NULL, PRIMARY KEY (space, key)) WITHOUT ROWID;"
	    "CREATE INDEX item_rev ON item (space, rev);"
	    "CREATE INDEX item_gone ON item (rev) WHERE value IS NULL;"
	    "INSERT INTO item VALUES (1, 'k', 41, CAST('v' AS BLOB), " SUM_K_V
	    "), (1, 'old', 40, NULL, 0);"
	    "PRAGMA application_id = 1668052596; PRAGMA user_version = 1;");
	store = open_ok(file);
	assert_int_equal(cv_store_revision(store), 41);
	assert_changes(store, 3, "old-@40 k=v@41 ");
	assert_int_equal(commit(store, &op, 1, 41), 0);
	assert_mail(store, 0, 9, "q:m/0 ");
	cv_store_close(store);
	/* Messages of version 2 have no sums. */
	sql("UPDATE outbox SET sum = NULL");
	store = open_ok(file);
	sent = assert_mail(store, 0, 9, "q:m/0 ");
	assert_int_equal(cv_store_outbox_later(store, &sent, 5, &errs), 0);
	assert_mail(store, 5, 9, "q:m/1 ");
	assert_int_equal(cv_store_outbox_done(store, &sent, &errs), 0);
	assert_mail(store, 5, 9, "");
	cv_store_close(store);
}

static void other_files_are_refused_and_left_alone(void **state)
{
	FILE *f;

	(void)state;
	cv_store_close(open_ok(file));
	sql("PRAGMA user_version = 5");
	open_fails(file, -ENOTSUP, "newer culvert");
	sql("PRAGMA user_version = 4; PRAGMA application_id = 5");
	open_fails(file, -EBADMSG, "not one of culvert's");
	f = fopen(file, "we");
	assert_non_null(f);
	fputs("This has never been a database, but it is long enough to be taken for one.........."
	      "...................................................................",
	      f);
	fclose(f);
	open_fails(file, -EBADMSG, "damaged");
}

static void damage(long at, const char *bytes)
{
	FILE *f = fopen(file, "r+e");

	assert_non_null(f);
	fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
	fputs(bytes, f);
	fclose(f);
}

static int row_count(void *arg, const struct cv_store_item *item)
{
	int *n = arg;

	assert_true(item->damaged == (item->value == NULL));
	assert_true(item->damaged == (strcmp(item->key, "key-77") == 0));
	*n += !item->damaged;
	return 0;
}

/* Who can go on without it is told which one it is. */
static void all_but_one_are_told(struct cv_store *store)
{
	struct cv_errs errs = {0};
	int n = 0;

	assert_int_equal(cv_store_changes(store,
					  (struct cv_store_since){CV_STORE_DOC, 0, .damaged = true},
					  row_count, &n, NULL, &errs),
			 0);
	assert_int_equal(n, 199);
	assert_int_equal(errs.n, 1);
	assert_non_null(strstr(errs.items[0].text, "'key-77'"));
	cv_errs_fini(&errs);
}

static void damage_is_found(void **state)
{
	struct cv_store *store = open_ok(file);
	struct cv_store_op op = put("key", "value");
	struct told told = {.stop = 0};

	(void)state;
	for (int i = 0; i < 200; i++) {
		char key[16];

		snprintf(key, sizeof(key), "key-%d", i);
		op.key = key;
		assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), 0);
	}
	cv_store_close(store);
	/* A value that still is one, but another. */
	sql("UPDATE item SET value = CAST('Value' AS BLOB) WHERE key = 'key-77'");
	store = open_ok(file);
	assert_int_equal(changes(store, 0, &told), -EBADMSG);
	all_but_one_are_told(store);
	cv_store_close(store);
	/* Fewer transactions than have left something. */
	sql("UPDATE meta SET value = 199 WHERE name = 'revision'");
	open_fails(file, -EBADMSG, "damaged");
	/* Structure, in a page that nothing else reads at the start; then in one that all need. */
	damage(-4096, "ZZZZZZZZ");
	open_fails(file, -EBADMSG, "damaged");
	damage(4096, "XXXXXXXXXXXXXXXX");
	open_fails(file, -EBADMSG, "damaged");
	assert_int_equal(truncate(file, 5000), 0);
	open_fails(file, -EBADMSG, "damaged");
}

/* What a store holds: which of the keys and messages, each as it was written. */
struct held {
	int n_keys, n_mails;
};

static int held_key(void *arg, const struct cv_store_item *item)
{
	struct held *held = arg;
	char want[512];

	snprintf(want, sizeof(want), "%s:%0300d", item->key, atoi(item->key + 4));
	assert_string_equal(item->value, want);
	held->n_keys++;
	return 0;
}

static int held_mail(void *arg, const struct cv_store_message *message)
{
	struct held *held = arg;
	char want[512];

	snprintf(want, sizeof(want), "%s:%0300d", message->queue, 0);
	assert_string_equal(message->text, want);
	held->n_mails++;
	return 0;
}

/* Enough for several pages of every table and index, free ones, and deletions. */
static void much_is_written(int n)
{
	struct cv_store *store = open_ok(file);

	for (int i = 0; i < n; i++) {
		char key[16], value[400], queue[16], text[400];
		struct cv_store_op ops[2];

		snprintf(key, sizeof(key), "key-%d", i);
		snprintf(value, sizeof(value), "%s:%0300d", key, i);
		snprintf(queue, sizeof(queue), "queue-%d", i);
		snprintf(text, sizeof(text), "%s:%0300d", queue, 0);
		ops[0] = put(key, value);
		ops[1] = mail_op(queue, text);
		assert_int_equal(commit(store, ops, 2, CV_STORE_ANY), 0);
	}
	for (int i = 0; i < n; i += 4) {
		char key[16];
		struct cv_store_op op = drop(key);

		snprintf(key, sizeof(key), "key-%d", i);
		assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), 0);
	}
	cv_store_close(store);
}

/* @return 0 when it is all there, or how the store says that it is not */
static int much_is_read(int n)
{
	struct cv_errs errs = {0};
	struct cv_store *store;
	struct held held = {0};
	int ret = cv_store_open(file, &errs, &store);

	if (ret < 0) {
		assert_int_not_equal(errs.n, 0);
		errs_done(&errs);
		return ret;
	}
	ret = cv_store_changes(store, (struct cv_store_since){CV_STORE_DOC, 0}, held_key, &held,
			       NULL, &errs);
	if (ret == 0)
		ret = cv_store_outbox_peek(store, 1, 9999, held_mail, &held, &errs);
	assert_int_equal(errs.n != 0, ret != 0);
	if (ret == 0) {
		assert_int_equal(held.n_keys, n - (n + 3) / 4);
		assert_int_equal(held.n_mails, n);
	}
	errs_done(&errs);
	cv_store_close(store);
	return ret;
}

/* Some bytes of one page are others. */
static void page_damage(char *page, size_t len, int how, unsigned int *seed)
{
	size_t at = (size_t)rand_r(seed) % len;

	switch (how) {
	case 0:
		page[at] = (char)(page[at] ^ (1 << rand_r(seed) % 8));
		break;
	case 1:
		memset(page + at / 512 * 512, 0, 512);
		break;
	case 2:
		for (size_t i = 0; i < len; i++)
			page[i] = (char)~page[i];
		break;
	default:
		for (size_t i = 0; i < 16; i++)
			page[(at + i) % len] = (char)rand_r(seed);
	}
}

/* Whatever page is damaged however: it is said, or nothing is lost. Never is something else taken for it. */
static void each_damaged_page_is_told_or_does_no_harm(void **state)
{
	enum { N = 60, PAGE = 4096 };
	unsigned int seed = 5;
	char *good, *bad;
	size_t len, n_told = 0, n_fine = 0;
	FILE *f;

	(void)state;
	much_is_written(N);
	assert_int_equal(much_is_read(N), 0);
	good = malloc(1 << 20);
	bad = malloc(1 << 20);
	f = fopen(file, "re");
	assert_true(good != NULL && bad != NULL && f != NULL);
	len = fread(good, 1, 1 << 20, f);
	fclose(f);
	assert_true(len >= 10 * PAGE && len % PAGE == 0);
	for (size_t at = 0; at < len; at += PAGE) {
		for (int how = 0; how < 12; how++) {
			int ret;

			memcpy(bad, good, len);
			page_damage(bad + at, PAGE, how % 4, &seed);
			f = fopen(file, "we");
			assert_non_null(f);
			assert_int_equal(fwrite(bad, 1, len, f), len);
			fclose(f);
			ret = much_is_read(N);
			if (ret != 0 && ret != -EBADMSG && ret != -ENOTSUP)
				fail_msg("page %zu, damage %d: %d", at / PAGE, how, ret);
			n_told += ret != 0;
			n_fine += ret == 0;
		}
	}
	/* A bit of a value is found as surely as a page of nothing; bytes that nobody uses are not. */
	assert_true(n_told > n_fine && n_fine > 0);
	free(good);
	free(bad);
}

/* ---- moved, removed, replaced ---- */

static void name_of(const char *end, char *buf, size_t cap)
{
	snprintf(buf, cap, "%s%s", file, end);
}

/* A commit is refused, the probe puts it right, another is made and is found by the next one to open it. */
static void is_put_right(struct cv_store *store, const char *before, const char *after)
{
	const struct cv_store_op op = put("new", "1");
	struct cv_errs errs = {0};
	struct stat st;

	assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), -ENXIO);
	assert_int_equal(cv_store_probe(store, &errs), 0);
	assert_int_equal(errs.n, 0);
	assert_changes(store, 0, before);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), 0);
	assert_int_equal(cv_store_probe(store, &errs), 0);
	cv_store_close(store);
	store = open_ok(file);
	assert_changes(store, 0, after);
	cv_store_close(store);
}

static void a_file_that_vanishes_is_made_anew_with_all_it_held(void **state)
{
	static const char *const gone[][2] = {{"", NULL}, {"-wal", NULL}, {"", "-wal"}};

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(gone); i++) {
		const struct cv_store_op ops[] = {put("k", "v"), drop("new"), mail_op("q", "m")};
		struct cv_store *store = open_ok(file);
		char name[128];

		assert_int_equal(commit(store, ops, 3, CV_STORE_ANY), 0);
		for (int j = 0; j < 2 && gone[i][j] != NULL; j++) {
			name_of(gone[i][j], name, sizeof(name));
			assert_int_equal(unlink(name), 0);
		}
		if (i == 0)
			is_put_right(store, "k=v@1 ", "k=v@1 new=1@2 ");
		else if (i == 1)
			is_put_right(store, "k=v@3 ", "k=v@3 new=1@4 ");
		else
			is_put_right(store, "k=v@5 ", "k=v@5 new=1@6 ");
		name_of(".new", name, sizeof(name));
		assert_int_not_equal(access(name, F_OK), 0);
	}
	/* Moved is as good as gone; messages are with it. */
	{
		struct cv_store *store = open_ok(file);
		char name[128];

		name_of(".moved", name, sizeof(name));
		assert_int_equal(rename(file, name), 0);
		is_put_right(store, "k=v@5 new=1@6 ", "k=v@5 new=1@7 ");
		store = open_ok(file);
		assert_mail(store, 100, 9, "q:m/0 ");
		cv_store_close(store);
	}
}

static void a_file_that_is_replaced_is_opened(void **state)
{
	const struct cv_store_op op = put("mine", "1"), theirs = put("theirs", "1");
	struct cv_store *store = open_ok(file);
	struct cv_errs errs = {0};
	char name[128];
	FILE *f;

	(void)state;
	assert_int_equal(commit(store, &theirs, 1, CV_STORE_ANY), 0);
	cv_store_close(store);
	name_of(".backup", name, sizeof(name));
	assert_int_equal(rename(file, name), 0);
	store = open_ok(file);
	for (int i = 0; i < 9; i++)
		assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), 0);
	/* By nothing of use: it says so, and goes on with what it has. */
	assert_int_equal(unlink(file), 0);
	f = fopen(file, "we");
	assert_non_null(f);
	for (int i = 0; i < 600; i++)
		fputs("no database ", f);
	fclose(f);
	assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), -ENXIO);
	assert_int_equal(cv_store_probe(store, &errs), -EBADMSG);
	errs_done(&errs);
	assert_changes(store, 0, "mine=1@9 ");
	assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), -ENXIO);
	/* By another that can be used. */
	assert_int_equal(rename(name, file), 0);
	is_put_right(store, "theirs=1@1 ", "theirs=1@1 new=1@2 ");
}

/* What was delivered is not taken for another message to which another file gave its id. */
static void a_message_of_the_file_before_is_not_mistaken(void **state)
{
	const struct cv_store_op ours = mail_op("q", "a"), theirs = mail_op("q", "b"),
				 other = mail_op("r", "a");
	struct cv_store *store = open_ok(file);
	struct cv_errs errs = {0};
	struct cv_store_message sent, same;
	char name[128];

	(void)state;
	assert_int_equal(commit(store, &theirs, 1, CV_STORE_ANY), 0);
	assert_int_equal(commit(store, &other, 1, CV_STORE_ANY), 0);
	cv_store_close(store);
	name_of(".backup", name, sizeof(name));
	assert_int_equal(rename(file, name), 0);
	store = open_ok(file);
	assert_int_equal(commit(store, &ours, 1, CV_STORE_ANY), 0);
	sent = assert_mail(store, 100, 9, "q:a/0 ");
	assert_int_equal(rename(name, file), 0);
	(void)cv_store_probe(store, &errs);
	errs_done(&errs);
	same = assert_mail(store, 100, 9, "q:b/0 r:a/0 ");
	assert_int_equal(same.id, sent.id);
	assert_int_equal(cv_store_outbox_later(store, &sent, 200, &errs), 0);
	assert_int_equal(cv_store_outbox_done(store, &sent, &errs), 0);
	sent.id++;
	assert_int_equal(cv_store_outbox_done(store, &sent, &errs), 0);
	assert_mail(store, 100, 9, "q:b/0 r:a/0 ");
	assert_int_equal(cv_store_outbox_done(store, &same, &errs), 0);
	assert_mail(store, 100, 9, "r:a/0 ");
	cv_store_close(store);
}

static void copy(const char *from, const char *to)
{
	char cmd[512];

	snprintf(cmd, sizeof(cmd), "cp '%s' '%s'", from, to);
	assert_int_equal(system(cmd), 0);
}

static void assert_file(const char *path, const char *want)
{
	struct cv_store *store = open_ok(path);

	assert_changes(store, 0, want);
	cv_store_close(store);
}

/* Neither what was kept in the log of the one that went nor in that of the one that came is lost. */
static void a_file_that_is_replaced_keeps_its_own_log(void **state)
{
	const struct cv_store_op mine = put("mine", "1"), theirs = put("theirs", "1");
	char old[128], fresh[128], from[160], to[160];
	struct cv_store *store, *other;
	struct cv_errs errs = {0};

	(void)state;
	name_of(".old", old, sizeof(old));
	name_of(".fresh", fresh, sizeof(fresh));
	store = open_ok(file);
	other = open_ok(fresh);
	assert_int_equal(commit(store, &mine, 1, CV_STORE_ANY), 0);
	assert_int_equal(commit(other, &theirs, 1, CV_STORE_ANY), 0);
	/* With its log, as of a machine that ended. */
	assert_int_equal(rename(file, old), 0);
	copy(fresh, file);
	name_of("-wal", to, sizeof(to));
	assert_int_equal(unlink(to), 0);
	snprintf(from, sizeof(from), "%s-wal", fresh);
	copy(from, to);
	cv_store_close(other);
	assert_int_equal(commit(store, &mine, 1, CV_STORE_ANY), -ENXIO);
	assert_int_equal(cv_store_probe(store, &errs), 0);
	assert_changes(store, 0, "theirs=1@1 ");
	cv_store_close(store);
	assert_file(file, "theirs=1@1 ");
	assert_file(old, "mine=1@1 ");
}

static void a_file_that_is_moved_takes_its_log_with_it(void **state)
{
	const struct cv_store_op mine = put("mine", "1");
	struct cv_store *store = open_ok(file);
	char old[128];

	(void)state;
	name_of(".old", old, sizeof(old));
	assert_int_equal(commit(store, &mine, 1, CV_STORE_ANY), 0);
	assert_int_equal(rename(file, old), 0);
	cv_store_close(store);
	assert_file(old, "mine=1@1 ");
	assert_file(file, "");
}

static void a_damaged_message_holds_up_nobody(void **state)
{
	const struct cv_store_op ops[] = {mail_op("a", "1"), mail_op("a", "2"), mail_op("b", "1")};
	struct cv_store *store = open_ok(file);
	struct mail mail = {.first = 0};
	struct cv_errs errs = {0};

	(void)state;
	assert_int_equal(commit(store, ops, 3, CV_STORE_ANY), 0);
	cv_store_close(store);
	sql("UPDATE outbox SET text = '7' WHERE id = 1");
	store = open_ok(file);
	assert_int_equal(cv_store_outbox_peek(store, 1, 9, mail_take, &mail, &errs), -EBADMSG);
	assert_string_equal(mail.text, "b:1/0 ");
	assert_non_null(strstr(errs.items[0].text, "message 1 "));
	errs_done(&errs);
	assert_mail(store, 1, 9, "a:2/0 b:1/0 ");
	cv_store_close(store);
}

static _Atomic bool looked_enough;

static void *look_again(void *arg)
{
	struct cv_store *store = arg;

	while (!atomic_load(&looked_enough)) {
		struct mail mail = {.first = 0};
		uint64_t n, n_dropped;
		struct cv_errs errs = {0};

		assert_int_equal(cv_store_outbox_peek(store, 1, 9, mail_take, &mail, &errs), 0);
		assert_string_equal(mail.text, "q:m/0 ");
		assert_int_equal(cv_store_outbox_trim(store, 9, &n, &n_dropped, &errs), 0);
		assert_int_equal(n, 1);
	}
	return NULL;
}

/* Seen by a sanitizer of threads: nobody uses what belonged to the old file. */
static void a_file_may_be_made_anew_while_messages_are_looked_at(void **state)
{
	const struct cv_store_op op = mail_op("q", "m");
	struct cv_store *store = open_ok(file);
	struct cv_errs errs = {0};
	pthread_t thread;

	(void)state;
	assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), 0);
	assert_int_equal(pthread_create(&thread, NULL, look_again, store), 0);
	for (int i = 0; i < 60; i++) {
		assert_int_equal(unlink(file), 0);
		assert_int_equal(cv_store_probe(store, &errs), 0);
	}
	atomic_store(&looked_enough, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	cv_store_close(store);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, dir_make, dir_remove)
	const struct CMUnitTest tests[] = {
		CASE(nobody_else_reads_or_opens_the_file),
		CASE(a_missing_directory_is_made_but_not_two),
		CASE(a_file_of_version_1_is_brought_up_to_date),
		CASE(other_files_are_refused_and_left_alone),
		CASE(damage_is_found),
		CASE(each_damaged_page_is_told_or_does_no_harm),
		CASE(a_file_that_vanishes_is_made_anew_with_all_it_held),
		CASE(a_file_that_is_replaced_is_opened),
		CASE(a_message_of_the_file_before_is_not_mistaken),
		CASE(a_file_that_is_replaced_keeps_its_own_log),
		CASE(a_file_that_is_moved_takes_its_log_with_it),
		CASE(a_damaged_message_holds_up_nobody),
		CASE(a_file_may_be_made_anew_while_messages_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
