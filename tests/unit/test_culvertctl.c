/* SPDX-License-Identifier: BSD-3-Clause */

/* The operator's command: tables from answers, and the program itself against a server. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../app/culvertctl/layout.h"
#include "../../app/culvertctl/table.h"

#include "cv_api.h"

#define TEXT_LEN 65536

/* ---- tables ---- */

/* Render an answer. The text is good until the next call. */
static const char *render(const char *what, const char *json)
{
	static char text[TEXT_LEN];
	json_t *root = json_loads(json, 0, NULL);
	FILE *out = fmemopen(text, sizeof(text), "w");

	assert_non_null(root);
	assert_non_null(out);
	assert_int_equal(culvertctl_table_print(out, what, root), 0);
	fputc('\0', out);
	fclose(out);
	json_decref(root);
	return text;
}

static void columns_are_aligned(void **state)
{
	(void)state;
	assert_string_equal(
		render("snat",
		       "{\"pools\": ["
		       "{\"node_ip\": \"10.0.1.10\", \"target\": \"10.0.1.21:80\", \"vpc\": \"p\","
		       " \"ports\": 55000, \"used\": 7, \"resting\": 0, \"free\": 54993,"
		       " \"errors\": 0, \"wanted\": true},"
		       "{\"node_ip\": \"10.0.200.100\", \"target\": \"10.0.1.2:8080\", \"vpc\": \"q\","
		       " \"ports\": 9, \"used\": 9, \"resting\": 0, \"free\": 0,"
		       " \"errors\": 123456, \"wanted\": false}]}"),
		"NODE IP       TARGET         VPC  PORTS  USED  RESTING   FREE  ERRORS  WANTED\n"
		"10.0.1.10     10.0.1.21:80   p    55000     7        0  54993       0  yes\n"
		"10.0.200.100  10.0.1.2:8080  q        9     9        0      0  123456  no\n");
}

static void no_rows_are_said_in_words(void **state)
{
	(void)state;
	assert_string_equal(render("endpoints", "{\"endpoints\": []}"), "no endpoints\n");
	assert_string_equal(render("endpoints", "{}"), "no endpoints\n");
	assert_string_equal(render("drops", "{\"drops\": [{\"reason\": \"ttl\", \"packets\": 0}]}"),
			    "nothing was dropped\n");
}

static void drops_leave_out_what_did_not_happen(void **state)
{
	(void)state;
	assert_string_equal(render("drops",
				   "{\"drops\": ["
				   "{\"reason\": \"ttl\", \"packets\": 0, \"help\": \"no\"},"
				   "{\"reason\": \"stray\", \"packets\": 12, \"help\": \"why\"}]}"),
			    "REASON  PACKETS  MEANING\nstray        12  why\n");
}

static void arrays_are_joined_and_inner_rows_know_their_outer_one(void **state)
{
	(void)state;
	assert_string_equal(
		render("load-balancers",
		       "{\"load_balancers\": [{\"name\": \"web\", \"account\": \"12\","
		       " \"vpc\": \"p\", \"cross_zone\": false,"
		       " \"service\": null, \"arn\": \"arn:x\","
		       " \"nodes\": [{\"az_id\": \"z1\", \"subnet\": \"a\", \"ips\": [\"1.1.1.1\", "
		       "\"1.1.1.2\"], \"healthy\": true, \"zonal_shift\": false, \"in_dns\": true},"
		       " {\"az_id\": \"z2\", \"subnet\": \"b\", \"ips\": [\"1.1.2.1\"]}],"
		       " \"listeners\": []}]}"),
		"LOAD BALANCER  ACCOUNT  VPC  CROSS-ZONE  SERVICE  ZONES  ARN\n"
		"web            12       p    no          -        z1,z2  arn:x\n"
		"\n"
		"nodes\n"
		"LOAD BALANCER  ACCOUNT  AZ ID  SUBNET  IPS              HEALTHY  SHIFTED  IN DNS\n"
		"web            12       z1     a       1.1.1.1,1.1.1.2  yes      no       yes\n"
		"web            12       z2     b       1.1.2.1          -        -        -\n"
		"\n"
		"listeners\n"
		"no listeners\n");
}

static void numbers_are_for_people(void **state)
{
	static const struct {
		const char *bytes, *want;
	} cases[] = {
		{"0", "  0  "},           {"999", "  999  "},     {"1000", "  1.0k  "},
		{"999949", "  999.9k  "}, {"999950", "  1.0M  "}, {"12345678901", "  12.3G  "},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char json[200];
		const char *text;

		snprintf(json, sizeof(json), "{\"ports\": [{\"name\": \"p\", \"rx_bytes\": %s}]}",
			 cases[i].bytes);
		text = render("ports", json);
		assert_non_null(strstr(text, cases[i].want));
	}
	assert_non_null(strstr(render("workers", "{\"workers\": [{\"id\": 0, \"busy\": 0.1234,"
						 " \"cycles_per_packet\": 151.6}]}"),
			       "     0  12.3%         152"));
	assert_non_null(strstr(render("flows", "{\"flows\": [{\"idle_ms\": 1234, \"worker\": 3}]}"),
			       "1.2s       3\n"));
}

static void members_of_an_object_are_joined_with_their_names(void **state)
{
	(void)state;
	assert_non_null(strstr(render("endpoints",
				      "{\"endpoints\": [{\"verdict\": \"forward\","
				      " \"drops_by_reason\": {\"no_listener\": 3, \"ttl\": 12}}]}"),
			       "forward  no_listener:3,ttl:12\n"));
	assert_non_null(strstr(render("endpoints", "{\"endpoints\": [{\"verdict\": \"forward\","
						   " \"drops_by_reason\": {}}]}"),
			       "forward  -\n"));
}

static void stages_have_costs_or_none(void **state)
{
	(void)state;
	assert_string_equal(
		render("stages",
		       "{\"workers\": [{\"id\": 0, \"busy\": 0.5, \"packets\": 7,"
		       " \"cycles_per_packet\": 123.44, \"instructions_per_packet\": null,"
		       " \"stages\": [{\"stage\": \"rx\", \"cycles_per_packet\": 23.44,"
		       " \"share\": 0.1899, \"help\": \"receive\"}]}], \"notes\": [\"a\", \"b\"]}"),
		"WORKER   BUSY  PACKETS  CYCLES/PKT  INSTR/PKT\n"
		"     0  50.0%        7       123.4          -\n"
		"\n"
		"stages\n"
		"WORKER  STAGE  CYCLES/PKT  SHARE  MEANING\n"
		"     0  rx           23.4  19.0%  receive\n"
		"\n"
		"a\n"
		"b\n");
}

static void a_name_cannot_command_the_terminal(void **state)
{
	const char *text;

	(void)state;
	text = render("vpcs", "{\"vpcs\": [{\"id\": \"a\\u001b[2Jb\", \"name\": \"c\\nd\\u0085e\","
			      " \"owner\": \"\\u007f\", \"cidrs\": [\"x\\ty\"]}]}");
	assert_null(strchr(text, '\033'));
	assert_non_null(strstr(text, "a?[2Jb"));
	assert_non_null(strstr(text, "c?d?e"));
	assert_non_null(strstr(text, "x?y"));
}

static void wide_text_keeps_the_columns(void **state)
{
	const char *text, *second;

	(void)state;
	text = render("neighbours",
		      "{\"neighbours\": [{\"vpc\": \"b\\u00fcro\", \"ip\": \"1.1.1.1\"},"
		      " {\"vpc\": \"office\", \"ip\": \"2.2.2.2\"}]}");
	assert_non_null(strstr(text, "\nb\xc3\xbcro    1.1.1.1"));
	second = strstr(text, "\noffice");
	assert_non_null(second);
	assert_non_null(strstr(second, "office  2.2.2.2"));
}

static void flows_say_when_there_are_more(void **state)
{
	(void)state;
	assert_non_null(strstr(render("flows", "{\"matched\": 9, \"listed\": 1, \"flows\": [{}]}"),
			       "\n1 of 9 flows listed: use --limit for more\n"));
	assert_null(strstr(render("flows", "{\"matched\": 1, \"listed\": 1, \"flows\": [{}]}"),
			   "listed"));
}

static void what_has_no_layout_is_shown_by_keys(void **state)
{
	(void)state;
	assert_string_equal(render("config", "{\"generation\": 3, \"file\": \"a.json\","
					     " \"counts\": {\"vpcs\": 2, \"endpoints\": 10},"
					     " \"last_reload\": null, \"warnings\": [],"
					     " \"errors\": [\"one\", \"two\"]}"),
			    "generation:  3\n"
			    "file:        a.json\n"
			    "counts:\n"
			    "  vpcs:      2\n"
			    "  endpoints: 10\n"
			    "last_reload: -\n"
			    "warnings: none\n"
			    "errors:\n"
			    "  - one\n"
			    "  - two\n");
}

static void every_layout_can_be_drawn(void **state)
{
	(void)state;
	for (const char *const *what = cv_ctl_whats(); *what != NULL; what++) {
		const struct culvertctl_section *section = culvertctl_layout_find(*what);

		if (section == NULL) {
			assert_string_equal(*what, "config");
			continue;
		}
		for (; section->rows != NULL; section++) {
			char json[256];
			const char *text;

			if (section->inner != NULL)
				snprintf(json, sizeof(json), "{\"%s\": [{\"%s\": [{}]}]}",
					 section->rows, section->inner);
			else
				snprintf(json, sizeof(json), "{\"%s\": [{\"packets\": 1}]}",
					 section->rows);
			text = render(*what, json);
			/* Every column has its title and a dash or number below. */
			for (const struct culvertctl_col *col = section->cols; col->title; col++)
				assert_non_null(strstr(text, col->title));
		}
	}
}

/* ---- the program ---- */

struct fake {
	char asked[256];
	uint32_t seconds;
	int ret;
	const char *text;
};

static struct fake fake;
static struct cv_api *api;
static char dir[64], path[96];

static const char *or_dash(const char *text)
{
	return text != NULL ? text : "-";
}

static int fake_answer(struct cv_ctl_reply *reply)
{
	reply->text = fake.text != NULL ? strdup(fake.text) : NULL;
	reply->len = fake.text != NULL ? strlen(fake.text) : 0;
	return fake.ret;
}

static int fake_show(void *arg, const struct cv_ctl_query *query, struct cv_ctl_reply *reply)
{
	(void)arg;
	snprintf(fake.asked, sizeof(fake.asked), "%s %s %s %s %u%s", query->what,
		 or_dash(query->endpoint), or_dash(query->target), or_dash(query->state),
		 query->limit, query->stages ? " stages" : "");
	fake.seconds = query->seconds;
	return fake_answer(reply);
}

static int fake_metrics(void *arg, struct cv_ctl_reply *reply)
{
	(void)arg;
	return fake_answer(reply);
}

static int fake_act(void *arg, const struct cv_ctl_order *order, struct cv_ctl_reply *reply)
{
	(void)arg;
	snprintf(fake.asked, sizeof(fake.asked), "%s %s %s %s %s %s", order->verb,
		 or_dash(order->endpoint), or_dash(order->group), or_dash(order->target),
		 or_dash(order->load_balancer), or_dash(order->zone));
	return fake_answer(reply);
}

static int fake_events(void *arg, const struct cv_ctl_events_query *query,
		       struct cv_ctl_reply *reply)
{
	(void)arg;
	snprintf(fake.asked, sizeof(fake.asked), "events %d %llu", query->boot != 0,
		 (unsigned long long)query->after);
	fake.seconds = (uint32_t)(query->since_ms / 1000);
	/* One answer has more behind it. */
	if (query->after == 3)
		fake.text = "{\"boot\": 9, \"next\": 4, \"lost\": 2, \"more\": false,"
			    " \"events\": [{\"seq\": 4, \"event\": \"b\"}]}";
	return fake_answer(reply);
}

static int program_setup(void **state)
{
	struct cv_api_cfg cfg = {
		.version = "1",
		.ops = {fake_show, fake_metrics, cv_ctl_whats(), NULL, fake_act, NULL, fake_events},
	};
	struct cv_errs errs = {0};

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/cv_test_culvertctl.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/c.sock", dir);
	cfg.socket = path;
	assert_int_equal(cv_api_create(&cfg, &errs, &api), 0);
	fake = (struct fake){.text = "{\"endpoints\": []}"};
	return 0;
}

static int program_teardown(void **state)
{
	(void)state;
	cv_api_destroy(api);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

/* Run culvertctl; stdout and stderr together. @return exit status */
static int run(const char *args, char *output)
{
	char cmd[1024];
	size_t n;
	FILE *in;
	int status;

	snprintf(cmd, sizeof(cmd), "%s %s 2>&1", CULVERTCTL, args);
	in = popen(cmd, "r");
	assert_non_null(in);
	n = fread(output, 1, TEXT_LEN - 1, in);
	output[n] = '\0';
	status = pclose(in);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Run against the fake server. */
static int run_here(const char *args, char *output)
{
	char all[512];

	snprintf(all, sizeof(all), "-s %s %s", path, args);
	return run(all, output);
}

static void filters_reach_the_server(void **state)
{
	static char out[TEXT_LEN];

	(void)state;
	assert_int_equal(run_here("show endpoints", out), 0);
	assert_string_equal(fake.asked, "endpoints - - - 0");
	assert_string_equal(out, "no endpoints\n");
	assert_int_equal(run_here("show flows --endpoint 'a b&c=d' --target 10.0.0.1:80"
				  " --state established --limit 5",
				  out),
			 0);
	assert_string_equal(fake.asked, "flows a b&c=d 10.0.0.1:80 established 5");
}

/* A file of numbers on a full disk must not pass for all of them. */
static void output_that_is_lost_is_a_failure(void **state)
{
	static const char *const asked[] = {"show endpoints", "show endpoints --json",
					    "metrics",        "events",
					    "--help",         "--version"};
	static char out[TEXT_LEN];
	char args[64];

	(void)state;
	for (size_t i = 0; i < CV_ARRAY_LEN(asked); i++) {
		snprintf(args, sizeof(args), "%s >/dev/full", asked[i]);
		assert_int_equal(run_here(args, out), 1);
	}
	assert_int_equal(run_here("metrics 2>&1 >/dev/full | cat", out), 0);
	assert_non_null(strstr(out, "the output is not complete"));
}

static void stages_are_asked_for_and_have_their_own_tables(void **state)
{
	static char out[TEXT_LEN];

	(void)state;
	fake.text = "{\"workers\": []}";
	assert_int_equal(run_here("show workers", out), 0);
	assert_string_equal(fake.asked, "workers - - - 0");
	assert_int_equal(run_here("show workers --stages --seconds 3", out), 0);
	assert_string_equal(fake.asked, "workers - - - 0 stages");
	assert_int_equal(fake.seconds, 3);
	assert_string_equal(out, "no workers\n\nstages\nno packets, so no stage has a cost\n");
	assert_int_equal(run_here("show workers --stages", out), 0);
	assert_int_equal(fake.seconds, 0);
	assert_int_equal(run_here("show workers --stages --seconds 11", out), 1);
	assert_non_null(strstr(out, "seconds: parameter is not a number from 1 to 10"));
}

static void json_is_printed_as_it_came(void **state)
{
	static char out[TEXT_LEN];

	(void)state;
	assert_int_equal(run_here("--json show endpoints", out), 0);
	assert_string_equal(out, "{\"endpoints\": []}\n");
	fake.text = "culvert_up 1\n";
	assert_int_equal(run_here("metrics", out), 0);
	assert_string_equal(out, "culvert_up 1\n");
}

static void refusals_are_printed(void **state)
{
	static char out[TEXT_LEN];

	(void)state;
	fake.ret = -ENOENT;
	fake.text = "there is no endpoint x";
	assert_int_equal(run_here("show endpoints --endpoint x", out), 1);
	assert_string_equal(out, "culvertctl: there is no endpoint x\n");
	assert_int_equal(run_here("show weather", out), 1);
	assert_non_null(
		strstr(out, "culvertctl: nothing to show has that name\nvalid: ports vpcs "));
	assert_int_equal(run_here("watch weather", out), 1);
	fake.ret = 0;
	fake.text = "no json";
	assert_int_equal(run_here("show ports", out), 1);
	assert_non_null(strstr(out, "culvertd's answer is no JSON"));
}

static void orders_reach_the_server(void **state)
{
	static const char *const cases[][2] = {
		{"accept vpce-1", "accept vpce-1 - - - -"},
		{"reject 'a b'", "reject a b - - - -"},
		{"drain web 10.0.0.1:80", "drain - web 10.0.0.1:80 - -"},
		{"shift nlb use1-az1", "shift - - - nlb use1-az1"},
		{"unshift nlb", "unshift - - - nlb -"},
	};
	static char out[TEXT_LEN];

	(void)state;
	fake.text = "{\"done\": \"it is done\"}";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run_here(cases[i][0], out), 0);
		assert_string_equal(out, "it is done\n");
		assert_string_equal(fake.asked, cases[i][1]);
	}
	assert_int_equal(run_here("accept vpce-1 --json", out), 0);
	assert_non_null(strstr(out, fake.text));
	fake.ret = -ENOENT;
	fake.text = "there is no endpoint 'x'";
	assert_int_equal(run_here("accept x", out), 1);
	assert_string_equal(out, "culvertctl: there is no endpoint 'x'\n");
}

/* Complete the last of some words, as bash does. The text is good until the next call. */
static const char *complete(const char *words)
{
	static char out[TEXT_LEN];
	char cmd[1024];
	size_t n;
	FILE *in;

	snprintf(cmd, sizeof(cmd),
		 "bash -c '. %s/config/system/culvertctl.bash; COMP_WORDS=(%s -s %s %s); "
		 "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _culvertctl; echo ${COMPREPLY[@]}'",
		 SRC_DIR, CULVERTCTL, path, words);
	in = popen(cmd, "r");
	n = fread(out, 1, sizeof(out) - 1, in);
	out[n] = '\0';
	assert_int_equal(pclose(in), 0);
	return out;
}

static void bash_completes(void **state)
{
	(void)state;
	assert_string_equal(complete("re"), "reject\n");
	assert_string_equal(complete("show load"), "load-balancers\n");
	assert_string_equal(complete("--js"), "--json\n");
	fake.text = "{\n \"endpoints\": [{\n  \"id\": \"vpce-1\"}, {\n  \"id\": \"vpce-2\"}]}";
	assert_string_equal(complete("accept \"\""), "vpce-1 vpce-2\n");
	assert_string_equal(fake.asked, "endpoints - - - 0");
	assert_string_equal(complete("accept vpce-1 \"\""), "\n");
	fake.text = "{\n \"target\": \"10.0.1.21:80\",\n \"az_id\": \"use1-az1\"}";
	assert_string_equal(complete("drain web 10"), "10.0.1.21:80\n");
	assert_string_equal(complete("shift web u"), "use1-az1\n");
	assert_string_equal(fake.asked, "load-balancers - - - 0");
}

/* The words of a list, as the program tells them. */
static char *words(const char *list)
{
	static char out[TEXT_LEN];
	char args[64];

	snprintf(args, sizeof(args), "--words %s", list);
	assert_int_equal(run(args, out), 0);
	return out;
}

/* Every word of a list is offered for its beginning. */
static void each_is_completed(const char *list, const char *before)
{
	static char copy[TEXT_LEN];
	char *rest = copy, *word;
	unsigned int n = 0;

	snprintf(copy, sizeof(copy), "%s", words(list));
	while ((word = strsep(&rest, "\n")) != NULL && *word != '\0') {
		char line[256];

		snprintf(line, sizeof(line), "%s %.*s", before, (int)strlen(word) - 1, word);
		if (strstr(complete(line), word) == NULL)
			fail_msg("'%s' is not completed to '%s'", line, word);
		n++;
	}
	assert_true(n > 3);
}

/* Whatever the program and culvertd know, completion does, too. */
static void completion_does_not_fall_behind(void **state)
{
	static char help[TEXT_LEN], all[TEXT_LEN];

	(void)state;
	all[0] = '\0';
	assert_int_equal(run("--help", help), 0);
	for (const char *const *what = cv_ctl_whats(); *what != NULL; what++) {
		char line[64];

		snprintf(all + strlen(all), sizeof(all) - strlen(all), "%s\n", *what);
		snprintf(line, sizeof(line), "\n  %s ", *what);
		if (strstr(help, line) == NULL)
			fail_msg("--help does not tell of '%s'", *what);
	}
	assert_string_equal(words("shows"), all);
	each_is_completed("shows", "show");
	each_is_completed("shows", "watch");
	each_is_completed("commands", "");
	each_is_completed("options", "show ports");
	each_is_completed("capture", "capture");
	each_is_completed("events", "events");
	assert_int_equal(run("--words nothing", help), 2);
}

/* The list of commands is whole, and each is one that the program takes. */
static void commands_are_those_that_there_are(void **state)
{
	static char out[TEXT_LEN], copy[TEXT_LEN];
	char *rest = copy, *word;

	(void)state;
	assert_string_equal(words("commands"), "show\nwatch\nmetrics\nevents\ncapture\naccept\n"
					       "reject\ndrain\nshift\nunshift\n");
	snprintf(copy, sizeof(copy), "%s", words("commands"));
	while ((word = strsep(&rest, "\n")) != NULL && *word != '\0') {
		run_here(word, out);
		assert_null(strstr(out, "no such command"));
		assert_int_equal(run("--help", out), 0);
		if (strstr(out, word) == NULL)
			fail_msg("--help does not tell of '%s'", word);
	}
}

static void events_are_lines_of_json(void **state)
{
	static char out[TEXT_LEN];

	(void)state;
	fake.text = "{\"boot\": 8, \"next\": 3, \"lost\": 0, \"more\": true,"
		    " \"events\": [{\"seq\": 3, \"event\": \"a\"}]}";
	assert_int_equal(run_here("events", out), 0);
	assert_string_equal(fake.asked, "events 1 3");
	assert_string_equal(out, "{\"seq\":3,\"event\":\"a\"}\n{\"event\":\"restart\"}\n"
				 "{\"event\":\"lost\",\"count\":2}\n"
				 "{\"seq\":4,\"event\":\"b\"}\n");
	assert_int_equal(run_here("events --since 2026-11-22T03:00:00Z", out), 0);
	assert_int_equal(fake.seconds, 1795316400);
	assert_int_equal(run_here("events --json --since 30000d", out), 0);
	assert_int_equal(fake.seconds, 0);
	assert_int_equal(run_here("events --since yesterday", out), 2);
	assert_int_equal(run_here("events --since 10", out), 2);
	assert_int_equal(run_here("events now", out), 2);
	assert_int_equal(run_here("events --help", out), 0);
	fake.text = "{}";
	assert_int_equal(run_here("events", out), 1);
}

static void wrong_usage_is_2(void **state)
{
	static char out[TEXT_LEN];
	static const char *const cases[] = {"",
					    "show",
					    "frob",
					    "show a b",
					    "metrics x",
					    "--nothing",
					    "watch ports -n 0",
					    "watch ports -n x",
					    "accept",
					    "accept a b",
					    "drain web",
					    "drain web 10.0.0.1 x",
					    "show flows --limit"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run_here(cases[i], out), 2);
		assert_non_null(strstr(out, "Try culvertctl --help.\n"));
	}
	assert_string_equal(fake.asked, "");
	assert_int_equal(run_here("drain web", out), 2);
	assert_string_equal(out, "culvertctl: missing: target\nTry culvertctl --help.\n");
}

static void help_and_version_need_no_server(void **state)
{
	static char out[TEXT_LEN];

	(void)state;
	assert_int_equal(run("--version", out), 0);
	assert_int_equal(strncmp(out, "culvertctl 0.", 13), 0);
	assert_int_equal(run("--help", out), 0);
	for (const char *const *what = cv_ctl_whats(); *what != NULL; what++)
		assert_non_null(strstr(out, *what));
}

static void missing_server_is_explained(void **state)
{
	static char out[TEXT_LEN];

	(void)state;
	assert_int_equal(run("-s /tmp/cv_no_such.sock show ports", out), 1);
	assert_string_equal(out, "culvertctl: cannot connect to /tmp/cv_no_such.sock: is culvertd "
				 "running? (No such file or directory)\n");
	assert_int_equal(run("-s /tmp/$(printf %0104d 1) show ports", out), 1);
	assert_int_equal(
		strncmp(out,
			"culvertctl: a socket's path has at most 107 characters, not 109: ", 65),
		0);
	assert_int_equal(run("-s /tmp/$(printf %0102d 1) show ports", out), 1);
	assert_non_null(strstr(out, "No such file or directory"));
}

static void watch_draws_again_and_again(void **state)
{
	static char out[TEXT_LEN];
	uint64_t begin_ms = cv_clock_ms();
	size_t n = 0, len = 0;
	char cmd[512];
	FILE *in;

	(void)state;
	snprintf(cmd, sizeof(cmd), "timeout 60 %s -s %s watch endpoints -n 0.2", CULVERTCTL, path);
	in = popen(cmd, "r");
	while (n < 6 && len + 1 < sizeof(out) && fgets(out + len, (int)(sizeof(out) - len), in)) {
		n += strstr(out + len, "\033[H\033[J") != NULL;
		len += strlen(out + len);
	}
	assert_int_equal(n, 6);
	assert_true(cv_clock_ms() - begin_ms >= 5 * 200);
	/* It ends when nobody reads it any more. */
	pclose(in);
	assert_non_null(strstr(out, "endpoints, every 0.2 s\n\nno endpoints\n"));
}

#define PROGRAM(fn) cmocka_unit_test_setup_teardown(fn, program_setup, program_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_aligned),
		cmocka_unit_test(no_rows_are_said_in_words),
		cmocka_unit_test(drops_leave_out_what_did_not_happen),
		cmocka_unit_test(arrays_are_joined_and_inner_rows_know_their_outer_one),
		cmocka_unit_test(numbers_are_for_people),
		cmocka_unit_test(members_of_an_object_are_joined_with_their_names),
		cmocka_unit_test(stages_have_costs_or_none),
		cmocka_unit_test(a_name_cannot_command_the_terminal),
		cmocka_unit_test(wide_text_keeps_the_columns),
		cmocka_unit_test(flows_say_when_there_are_more),
		cmocka_unit_test(what_has_no_layout_is_shown_by_keys),
		cmocka_unit_test(every_layout_can_be_drawn),
		PROGRAM(filters_reach_the_server),
		PROGRAM(output_that_is_lost_is_a_failure),
		PROGRAM(stages_are_asked_for_and_have_their_own_tables),
		PROGRAM(json_is_printed_as_it_came),
		PROGRAM(refusals_are_printed),
		PROGRAM(orders_reach_the_server),
		PROGRAM(bash_completes),
		PROGRAM(completion_does_not_fall_behind),
		PROGRAM(commands_are_those_that_there_are),
		PROGRAM(events_are_lines_of_json),
		PROGRAM(wrong_usage_is_2),
		cmocka_unit_test(help_and_version_need_no_server),
		cmocka_unit_test(missing_server_is_explained),
		PROGRAM(watch_draws_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
