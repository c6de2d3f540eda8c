#include "kcpctl.h"

#include <err.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engine/ident.h"
#include "engines.h"
#include "json.h"

struct lines {
	size_t count;
	struct ctl_status *line;
};

static void
collect(const struct ctl_status *s, void *arg)
{
	struct lines *l = arg;
	struct ctl_status *p = reallocarray(l->line, l->count + 1, sizeof(*p));

	if (p == NULL)
		err(1, NULL);
	l->line = p;
	l->line[l->count++] = *s;
}

/* By program, then process, listeners first: as one looks for them. */
static int
compare(const void *a, const void *b)
{
	const struct ctl_status *x = a, *y = b;
	int c = strncmp(x->program, y->program, sizeof(x->program));

	if (c != 0)
		return c;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return (x->id > y->id) - (x->id < y->id);
}

static const char *
role_name(uint32_t role)
{
	switch (role) {
	case IDENT_CONNECTED:
		return "connect";
	case IDENT_ACCEPTED:
		return "accept";
	case IDENT_LISTENER:
		return "listen";
	default:
		return "?";
	}
}

/* --- the table --- */

enum column { C_SESSION, C_PROGRAM, C_PID, C_ROLE, C_STATE, C_LOCAL, C_PEER, C_RTT, C_MTU, C_SENDQ, C_RECVQ, C_RETRANS, C_SENT,
    C_RECEIVED, C_CRYPTO, C_THREAD, COLUMNS };

#define CELL_LEN (NETADDR_STRLEN + 8)

struct row {
	char cell[COLUMNS][CELL_LEN];
};

static const char *const titles[COLUMNS] = { "SESSION", "PROGRAM", "PID", "ROLE", "STATE", "LOCAL", "PEER", "RTT", "MTU", "SEND-Q",
	"RECV-Q", "RETRANS", "SENT", "RECEIVED", "CRYPTO", "THREAD" };
static const bool right_aligned[COLUMNS] = { [C_PID] = true, [C_RTT] = true, [C_MTU] = true, [C_SENDQ] = true, [C_RECVQ] = true,
	[C_RETRANS] = true, [C_SENT] = true, [C_RECEIVED] = true };

/* Text from another process: no byte of it may steer the terminal, nor split the column. */
static void
set_text(char cell[CELL_LEN], const char *text, size_t size)
{
	size_t n = strnlen(text, size < CELL_LEN ? size : CELL_LEN - 1);

	for (size_t i = 0; i < n; i++)
		cell[i] = (unsigned char)text[i] <= 0x20 || text[i] == 0x7f ? '?' : text[i];
	strcpy(cell + n, n == 0 ? "-" : "");
}

static void
set_address(char cell[CELL_LEN], const struct netaddr *a)
{
	char text[NETADDR_STRLEN];

	snprintf(cell, CELL_LEN, "%s", a->family != 0 ? netaddr_format(a, text) : "*");
}

static void
set_row(struct row *r, const struct ctl_status *s)
{
	bool session = s->kind == 2;

	snprintf(r->cell[C_SESSION], CELL_LEN, "%" PRIu32 ".%" PRIu32, s->pid, s->id);
	set_text(r->cell[C_PROGRAM], s->program, sizeof(s->program));
	snprintf(r->cell[C_PID], CELL_LEN, "%" PRIu32, s->pid);
	snprintf(r->cell[C_ROLE], CELL_LEN, "%s", role_name(s->role));
	set_text(r->cell[C_STATE], s->state, sizeof(s->state));
	set_address(r->cell[C_LOCAL], &s->local);
	set_address(r->cell[C_PEER], session ? &s->peer : &(struct netaddr){ 0 });
	snprintf(r->cell[C_RTT], CELL_LEN, session && s->rtt_us != 0 ? "%.3fms" : "-", (double)s->rtt_us / 1000);
	snprintf(r->cell[C_MTU], CELL_LEN, session && s->mtu != 0 ? "%" PRIu32 : "-", s->mtu);
	snprintf(r->cell[C_SENDQ], CELL_LEN, "%" PRIu64, s->send_queue);
	snprintf(r->cell[C_RECVQ], CELL_LEN, "%" PRIu64, s->recv_queue);
	snprintf(r->cell[C_RETRANS], CELL_LEN, "%" PRIu64, s->retransmits);
	snprintf(r->cell[C_SENT], CELL_LEN, "%" PRIu64, s->bytes_sent);
	snprintf(r->cell[C_RECEIVED], CELL_LEN, "%" PRIu64, s->bytes_received);
	set_text(r->cell[C_CRYPTO], s->crypto, sizeof(s->crypto));
	snprintf(r->cell[C_THREAD], CELL_LEN, "%" PRIu32, s->thread);
}

static void
print_table(const struct lines *l)
{
	struct row *rows = calloc(l->count + 1, sizeof(*rows));
	int width[COLUMNS] = { 0 };

	if (rows == NULL)
		err(1, NULL);
	for (int c = 0; c < COLUMNS; c++)
		strcpy(rows[0].cell[c], titles[c]);
	for (size_t i = 0; i < l->count; i++)
		set_row(&rows[i + 1], &l->line[i]);
	for (size_t i = 0; i <= l->count; i++)
		for (int c = 0; c < COLUMNS; c++)
			if ((int)strlen(rows[i].cell[c]) > width[c])
				width[c] = (int)strlen(rows[i].cell[c]);
	for (size_t i = 0; i <= l->count; i++)
		for (int c = 0; c < COLUMNS; c++) {
			bool last = c == COLUMNS - 1;

			printf("%*s%s", last ? 0 : right_aligned[c] ? width[c] : -width[c], rows[i].cell[c], last ? "\n" : "  ");
		}
	free(rows);
}

/* --- JSON --- */

static void
json_address(struct json *j, const char *name, const struct netaddr *a)
{
	char text[NETADDR_STRLEN];

	if (a->family == 0)
		json_null(j, name);
	else
		json_string(j, name, netaddr_format(a, text), sizeof(text));
}

static void
json_identity(struct json *j, const struct ctl_status *s)
{
	char session[32];

	snprintf(session, sizeof(session), "%" PRIu32 ".%" PRIu32, s->pid, s->id);
	json_string(j, "session", session, sizeof(session));
	json_string(j, "kind", s->kind == 1 ? "listener" : "session", 9);
	json_string(j, "program", s->program, sizeof(s->program));
	json_number(j, "pid", s->pid);
	json_number(j, "thread", s->thread);
	json_string(j, "role", role_name(s->role), 9);
	json_string(j, "state", s->state, sizeof(s->state));
	json_address(j, "local", &s->local);
	json_address(j, "peer", &s->peer);
}

static void
print_json_line(const struct ctl_status *s)
{
	const struct { const char *name; uint64_t value; } numbers[] = {
		{ "rtt_us", s->rtt_us }, { "rttvar_us", s->rttvar_us }, { "min_rtt_us", s->min_rtt_us },
		{ "send_queue", s->send_queue }, { "recv_queue", s->recv_queue }, { "retransmits", s->retransmits },
		{ "spurious", s->spurious }, { "bytes_sent", s->bytes_sent }, { "bytes_received", s->bytes_received },
		{ "wire_sent", s->wire_sent }, { "wire_received", s->wire_received },
		{ "datagrams_sent", s->datagrams_sent }, { "datagrams_received", s->datagrams_received },
		{ "dropped", s->dropped }, { "pacing_rate", s->pacing_rate }, { "cwnd", s->cwnd }, { "mtu", s->mtu },
		{ "age_us", s->age_us }, { "ecn_marked", s->ecn_marked }, { "ecn_ce", s->ecn_ce },
		{ "ecn_ect0_received", s->ecn_ect0 }, { "ecn_ect1_received", s->ecn_ect1 }, { "ecn_ce_received", s->ecn_ce_received },
	};
	struct json j;

	json_object(&j, stdout);
	json_identity(&j, s);
	if (s->kind == 2) {
		json_address(&j, "current_peer", &s->current_peer);
		json_string(&j, "crypto", s->crypto, sizeof(s->crypto));
		json_bool(&j, "authenticated", s->authenticated != 0);
		json_string(&j, "ecn", s->ecn, sizeof(s->ecn));
		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
			json_number(&j, numbers[i].name, numbers[i].value);
	}
	json_end(&j);
}

static void
print_json(const struct lines *l)
{
	putchar('[');
	for (size_t i = 0; i < l->count; i++) {
		fputs(i > 0 ? ",\n " : "\n ", stdout);
		print_json_line(&l->line[i]);
	}
	puts(l->count > 0 ? "\n]" : "]");
}

int
kcpctl_status(int argc, char **argv)
{
	struct engines engines;
	struct lines lines = { 0 };
	bool json = argc == 2 && strcmp(argv[1], "-j") == 0;
	int error, failed = 0;

	if (argc > 2 || (argc == 2 && !json))
		return kcpctl_usage();
	error = engines_find(&engines);
	if (error != 0)
		errx(1, "/proc/net/unix: %s", strerror(error));
	for (size_t i = 0; i < engines.count; i++) {
		unsigned version = 0;

		error = engine_status(engines.name[i], collect, &lines, &version);
		failed |= engine_complain(engines.name[i], error, version);
	}
	if (lines.count > 1)
		qsort(lines.line, lines.count, sizeof(*lines.line), compare);
	if (json)
		print_json(&lines);
	else
		print_table(&lines);
	free(lines.line);
	engines_free(&engines);
	return failed;
}
