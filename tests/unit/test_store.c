/* SPDX-License-Identifier: BSD-3-Clause */

/* The store as its callers see it: transactions, the stream, the outbox, the file's life. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "cv_store.h"
#include "cv_store_writer.h"

static char dir[64], file[96];

#define SUM_K_V "1885312359695983241"

static void errs_done(struct cv_errs *errs)
{
	cv_errs_fini(errs);
}

static struct cv_store *open_ok(const char *path)
{
	struct cv_errs errs = {0};
	struct cv_store *store = NULL;
	int ret = cv_store_open(path, &errs, &store);

	if (ret != 0)
		fail_msg("open: %d %s", ret, errs.n > 0 ? errs.items[0].text : "");
	assert_int_equal(errs.n, 0);
	return store;
}

/* Opening fails so, and the text says so. */
static void open_fails(const char *path, int want, const char *says)
{
	struct cv_errs errs = {0};
	struct cv_store *store = NULL;

	assert_int_equal(cv_store_open(path, &errs, &store), want);
	assert_null(store);
	assert_int_not_equal(errs.n, 0);
	if (strstr(errs.items[0].text, says) == NULL)
		fail_msg("'%s' does not say '%s'", errs.items[0].text, says);
	errs_done(&errs);
}

static int commit(struct cv_store *store, const struct cv_store_op *ops, size_t n, uint64_t at)
{
	const struct cv_store_txn txn = {ops, n, at};
	struct cv_errs errs = {0};
	int ret = cv_store_commit(store, &txn, NULL, &errs);

	assert_int_equal(errs.n != 0, ret != 0);
	errs_done(&errs);
	return ret;
}

static struct cv_store_op put(const char *key, const char *value)
{
	return (struct cv_store_op){CV_STORE_PUT, CV_STORE_DOC,  key,
				    value,        strlen(value), CV_STORE_ANY};
}

static struct cv_store_op drop(const char *key)
{
	return (struct cv_store_op){CV_STORE_DELETE, CV_STORE_DOC, key, NULL, 0, CV_STORE_ANY};
}

/* What a stream tells, as text: "key=value@rev " or "key-@rev ". */
struct told {
	char text[4096];
	int stop;
};

static int tell(void *arg, const struct cv_store_item *item)
{
	struct told *told = arg;
	size_t len = strlen(told->text);

	if (item->value != NULL)
		assert_int_equal(strlen(item->value), item->len);
	snprintf(told->text + len, sizeof(told->text) - len, "%s%s%s@%llu ", item->key,
		 item->value != NULL ? "=" : "-", item->value != NULL ? item->value : "",
		 (unsigned long long)item->rev);
	return told->stop;
}

static int changes(struct cv_store *store, uint64_t since, struct told *told)
{
	struct cv_errs errs = {0};
	uint64_t rev = 0;
	int ret;

	told->text[0] = '\0';
	ret = cv_store_changes(store, (struct cv_store_since){CV_STORE_DOC, since}, tell, told,
			       &rev, &errs);
	if (ret == 0)
		assert_int_equal(rev, cv_store_revision(store));
	errs_done(&errs);
	return ret;
}

static void assert_changes(struct cv_store *store, uint64_t since, const char *want)
{
	struct told told = {.stop = 0};

	assert_int_equal(changes(store, since, &told), 0);
	assert_string_equal(told.text, want);
}

static int dir_make(void **state)
{
	(void)state;
	/* In memory: the disk is not what is tested. */
	snprintf(dir, sizeof(dir), "%s/cvl-store-XXXXXX",
		 access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/state.db", dir);
	return 0;
}

static int dir_remove(void **state)
{
	char cmd[160];

	(void)state;
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

/* ---- transactions ---- */

static void what_was_committed_is_there_after_reopening(void **state)
{
	const struct cv_store_op ops[] = {put("a", "1"), put("b", ""), put("c", "3")};
	const struct cv_store_op more[] = {put("a", "11"), drop("c"), drop("never")};
	struct cv_store *store = open_ok(file);

	(void)state;
	assert_int_equal(cv_store_revision(store), 0);
	assert_int_equal(commit(store, ops, 3, CV_STORE_ANY), 0);
	assert_changes(store, 0, "a=1@1 b=@1 c=3@1 ");
	assert_int_equal(commit(store, more, 3, 1), 0);
	cv_store_close(store);
	store = open_ok(file);
	assert_int_equal(cv_store_revision(store), 2);
	assert_changes(store, 0, "b=@1 a=11@2 ");
	assert_changes(store, 1, "a=11@2 c-@2 ");
	assert_changes(store, 2, "");
	cv_store_close(store);
}

static void comparisons_hold_all_or_nothing_is_done(void **state)
{
	struct cv_store *store = open_ok(NULL);
	struct cv_store_op ops[] = {put("a", "1"), put("b", "2")};

	(void)state;
	ops[0].rev = 0;
	assert_int_equal(commit(store, ops, 2, 0), 0);
	assert_int_equal(commit(store, ops, 2, CV_STORE_ANY), -ESTALE);
	assert_int_equal(commit(store, ops + 1, 1, 0), -ESTALE);
	ops[0].value = "x";
	ops[0].rev = CV_STORE_ANY;
	ops[1] = (struct cv_store_op){.what = CV_STORE_CHECK, .space = CV_STORE_DOC, .key = "b"};
	assert_int_equal(commit(store, ops, 2, CV_STORE_ANY), -ESTALE);
	assert_changes(store, 0, "a=1@1 b=2@1 ");
	ops[1].rev = 1;
	assert_int_equal(commit(store, ops, 2, 1), 0);
	assert_changes(store, 0, "b=2@1 a=x@2 ");
	/* A deleted key is not there; one of another space is another. */
	ops[0] = drop("a");
	ops[1] = put("b", "t");
	ops[1].space = CV_STORE_TOKEN;
	ops[1].rev = 0;
	assert_int_equal(commit(store, ops, 2, CV_STORE_ANY), 0);
	ops[0] = put("a", "new");
	ops[0].rev = 2;
	assert_int_equal(commit(store, ops, 1, CV_STORE_ANY), -ESTALE);
	ops[0].rev = 0;
	assert_int_equal(commit(store, ops, 1, CV_STORE_ANY), 0);
	assert_changes(store, 0, "b=2@1 a=new@4 ");
	cv_store_close(store);
}

static void a_stream_can_be_stopped_and_goes_back_so_far(void **state)
{
	struct cv_store *store = open_ok(NULL);
	const struct cv_store_op a = put("a", "1"), b = put("b", "1"), no_a = drop("a");
	struct told told = {.stop = -EIO};

	(void)state;
	assert_int_equal(commit(store, &a, 1, CV_STORE_ANY), 0);
	assert_int_equal(changes(store, 0, &told), -EIO);
	assert_string_equal(told.text, "a=1@1 ");
	assert_int_equal(commit(store, &no_a, 1, CV_STORE_ANY), 0);
	while (cv_store_revision(store) < CV_STORE_HISTORY + 1)
		assert_int_equal(commit(store, &b, 1, CV_STORE_ANY), 0);
	told.stop = 0;
	assert_int_equal(changes(store, 1, &told), 0);
	assert_non_null(strstr(told.text, "a-@2"));
	while (cv_store_revision(store) < CV_STORE_HISTORY + 1024)
		assert_int_equal(commit(store, &b, 1, CV_STORE_ANY), 0);
	assert_int_equal(changes(store, 1, &told), -ESTALE);
	assert_int_equal(changes(store, cv_store_revision(store) - CV_STORE_HISTORY, &told), 0);
	cv_store_close(store);
}

/* A model of it: values by key, of many keys and many sizes. */
static void random_changes_are_read_back(void **state)
{
	enum { KEYS = 40, ROUNDS = 400 };
	static char values[KEYS][2000];
	bool there[KEYS] = {false};
	struct cv_store *store = open_ok(file);
	unsigned int seed = 7;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct cv_store_op ops[8];
		char keys[8][16];
		int n = 1 + rand_r(&seed) % 8, k = rand_r(&seed) % KEYS;

		for (int i = 0; i < n; i++, k = (k + 3) % KEYS) {
			int len = rand_r(&seed) % 1900;

			snprintf(keys[i], sizeof(keys[i]), "key-%02d", k);
			there[k] = rand_r(&seed) % 3 != 0;
			for (int j = 0; there[k] && j < len; j++)
				values[k][j] = (char)('!' + rand_r(&seed) % 90);
			values[k][there[k] ? len : 0] = '\0';
			ops[i] = there[k] ? put(keys[i], values[k]) : drop(keys[i]);
		}
		assert_int_equal(commit(store, ops, (size_t)n, (uint64_t)round), 0);
		if (round % 97 == 0) {
			cv_store_close(store);
			store = open_ok(file);
		}
	}
	for (int k = 0; k < KEYS; k++) {
		char key[16];
		struct cv_store_op op = put(key, values[k]);

		/* Puts what it must have already, if it is as it should be. */
		snprintf(key, sizeof(key), "key-%02d", k);
		op.rev = 0;
		assert_int_equal(commit(store, &op, 1, CV_STORE_ANY), there[k] ? -ESTALE : 0);
	}
	cv_store_close(store);
}

/* ---- outbox ---- */

struct mail {
	char text[512];
	uint64_t first;
};

static int mail_take(void *arg, const struct cv_store_message *message)
{
	struct mail *mail = arg;
	size_t len = strlen(mail->text);

	if (len == 0)
		mail->first = message->id;
	snprintf(mail->text + len, sizeof(mail->text) - len, "%s:%s/%u ", message->queue,
		 message->text, message->n_tries);
	return 0;
}

static uint64_t assert_mail(struct cv_store *store, uint64_t now, uint32_t max, const char *want)
{
	struct mail mail = {.first = 0};
	struct cv_errs errs = {0};

	assert_int_equal(cv_store_outbox_peek(store, now, max, mail_take, &mail, &errs), 0);
	assert_string_equal(mail.text, want);
	return mail.first;
}

static struct cv_store_op mail_op(const char *queue, const char *text)
{
	return (struct cv_store_op){
		.what = CV_STORE_SEND, .key = queue, .value = text, .len = strlen(text)};
}

static void messages_of_a_queue_stay_in_order(void **state)
{
	const struct cv_store_op ops[] = {mail_op("x", "1"), mail_op("y", "2"), mail_op("x", "3")};
	struct cv_store *store = open_ok(file);
	struct cv_errs errs = {0};
	uint64_t id;

	(void)state;
	assert_int_equal(commit(store, ops, 3, CV_STORE_ANY), 0);
	id = assert_mail(store, 100, 9, "x:1/0 y:2/0 ");
	assert_mail(store, 100, 1, "x:1/0 ");
	assert_int_equal(cv_store_outbox_later(store, id, 200, &errs), 0);
	assert_mail(store, 199, 9, "y:2/0 ");
	cv_store_close(store);
	store = open_ok(file);
	assert_int_equal(assert_mail(store, 200, 9, "x:1/1 y:2/0 "), id);
	assert_int_equal(cv_store_outbox_done(store, id, &errs), 0);
	assert_mail(store, 200, 9, "y:2/0 x:3/0 ");
	/* What a failed transaction would have sent is not sent. */
	assert_int_equal(commit(store, ops, 1, 77), -ESTALE);
	assert_mail(store, 200, 9, "y:2/0 x:3/0 ");
	cv_store_close(store);
}

/* ---- the file ---- */

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
	cv_store_close(open_ok(file));
}

static void other_files_are_refused_and_left_alone(void **state)
{
	FILE *f;

	(void)state;
	cv_store_close(open_ok(file));
	sql("PRAGMA user_version = 3");
	open_fails(file, -ENOTSUP, "newer culvert");
	sql("PRAGMA user_version = 2; PRAGMA application_id = 5");
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
	cv_store_close(store);
	/* Structure, in a page that nothing else reads at the start; then in one that all need. */
	damage(-4096, "ZZZZZZZZ");
	open_fails(file, -EBADMSG, "damaged");
	damage(4096, "XXXXXXXXXXXXXXXX");
	open_fails(file, -EBADMSG, "damaged");
	assert_int_equal(truncate(file, 5000), 0);
	open_fails(file, -EBADMSG, "damaged");
}

/* ---- the writer ---- */

static void batch_put(struct cv_store_batch *batch, const char *key)
{
	char mine[16];
	struct cv_store_op op = put(mine, "v");

	/* The batch's is a copy. */
	snprintf(mine, sizeof(mine), "%s", key);
	assert_int_equal(cv_store_batch_add(batch, &op), 0);
	memset(mine, 'x', sizeof(mine));
}

static void the_writer_writes_one_batch_while_the_next_is_gathered(void **state)
{
	struct cv_store *store = open_ok(file);
	struct cv_store_writer *writer;
	struct cv_store_batch batch = {0};
	struct cv_errs errs = {0};
	uint64_t rev = 0;
	int ret = 1;

	(void)state;
	assert_int_equal(cv_store_writer_create(store, &writer), 0);
	assert_false(cv_store_writer_end(writer, true, &ret, &rev, &errs));
	batch_put(&batch, "a");
	batch_put(&batch, "b");
	batch_put(&batch, "c");
	cv_store_batch_cut(&batch, 2);
	cv_store_writer_begin(writer, &batch, 0);
	assert_int_equal(batch.n, 0);
	batch_put(&batch, "d");
	assert_int_equal(poll(&(struct pollfd){.fd = cv_store_writer_fd(writer), .events = POLLIN},
			      1, 20000),
			 1);
	assert_true(cv_store_writer_end(writer, false, &ret, &rev, &errs));
	assert_int_equal(ret, 0);
	assert_int_equal(rev, 1);
	cv_store_writer_begin(writer, &batch, 0);
	assert_true(cv_store_writer_end(writer, true, &ret, &rev, &errs));
	assert_int_equal(ret, -ESTALE);
	assert_int_equal(errs.n, 1);
	assert_changes(store, 0, "a=v@1 b=v@1 ");
	/* What is under way at the end is written. */
	batch_put(&batch, "e");
	cv_store_writer_begin(writer, &batch, 1);
	cv_store_writer_destroy(writer);
	assert_changes(store, 1, "e=v@2 ");
	cv_store_writer_destroy(NULL);
	cv_store_close(store);
	cv_store_close(NULL);
	errs_done(&errs);
}

static void a_writer_needs_a_descriptor_and_a_thread(void **state)
{
	struct cv_store *store = open_ok(NULL);
	struct cv_store_writer *writer;
	struct rlimit old, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){3, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(cv_store_writer_create(store, &writer), -EMFILE);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	/* A stack that no address space holds: so no thread. */
	{
		pthread_attr_t attr, was;

		pthread_getattr_default_np(&was);
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, (size_t)1 << 46);
		if (pthread_setattr_default_np(&attr) == 0)
			assert_int_equal(cv_store_writer_create(store, &writer), -EAGAIN);
		pthread_setattr_default_np(&was);
		pthread_attr_destroy(&attr);
		pthread_attr_destroy(&was);
	}
	cv_store_close(store);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, dir_make, dir_remove)
	const struct CMUnitTest tests[] = {
		CASE(what_was_committed_is_there_after_reopening),
		CASE(comparisons_hold_all_or_nothing_is_done),
		CASE(a_stream_can_be_stopped_and_goes_back_so_far),
		CASE(random_changes_are_read_back),
		CASE(messages_of_a_queue_stay_in_order),
		CASE(nobody_else_reads_or_opens_the_file),
		CASE(a_missing_directory_is_made_but_not_two),
		CASE(a_file_of_version_1_is_brought_up_to_date),
		CASE(other_files_are_refused_and_left_alone),
		CASE(damage_is_found),
		CASE(the_writer_writes_one_batch_while_the_next_is_gathered),
		CASE(a_writer_needs_a_descriptor_and_a_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
