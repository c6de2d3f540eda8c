#include "seal_plugin.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <kcpshim-plugin.h>

#include "error.h"
#include "mem.h"
#include "seal_impl.h"

#define SCRATCH_FIRST 2048u

struct seal_plugin {
	struct seal seal;
	struct mem *mem;
	const struct kcpshim_plugin *plugin;
	void *context;
	uint8_t *scratch;      /* the other form of the datagram, while the plugin works */
	size_t scratch_size;
};

static int __attribute__((format(printf, 4, 5)))
complain(char *err, size_t errlen, int code, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(err, errlen, format, ap);
	va_end(ap);
	return code;
}

int
seal_plugin_check(const struct kcpshim_plugin *p, const char *path, char *err, size_t errlen)
{
	if (p->abi != KCPSHIM_PLUGIN_ABI || p->size < sizeof *p)
		return complain(err, errlen, KCPSHIM_E_VERSION, "%s: made for plugin interface %u of %u bytes, this is %u of %zu",
		    path, p->abi, p->size, KCPSHIM_PLUGIN_ABI, sizeof *p);
	if (p->overhead > KCPSHIM_PLUGIN_OVERHEAD_MAX)
		return complain(err, errlen, KCPSHIM_E_RANGE, "%s: overhead of %u bytes, at most %u are allowed",
		    path, p->overhead, KCPSHIM_PLUGIN_OVERHEAD_MAX);
	if (p->name == NULL || p->name[0] == '\0')
		return complain(err, errlen, KCPSHIM_E_FORMAT, "%s: the plugin has no name", path);
	if (p->context_new == NULL || p->context_free == NULL || p->encrypt == NULL || p->decrypt == NULL)
		return complain(err, errlen, KCPSHIM_E_FORMAT, "%s: a function of the plugin is missing", path);
	return 0;
}

static void
scratch_free(struct seal_plugin *s)
{
	if (s->scratch != NULL)
		explicit_bzero(s->scratch, s->scratch_size);
	mem_free(s->mem, s->scratch, s->scratch_size);
	s->scratch = NULL;
	s->scratch_size = 0;
}

/* Room for `need` bytes: grows with the largest datagram, so that ordinary ones cost two kilobytes. */
static int
scratch_reserve(struct seal_plugin *s, size_t need)
{
	size_t size = SCRATCH_FIRST;

	if (need <= s->scratch_size)
		return 0;
	while (size < need)
		size *= 2;
	scratch_free(s);
	s->scratch = mem_alloc_raw(s->mem, size);
	if (s->scratch == NULL)
		return KCPSHIM_E_NOMEM;
	s->scratch_size = size;
	return 0;
}

static size_t
plugin_room(const struct seal *seal, size_t datagram)
{
	return datagram > seal->tail ? datagram - seal->tail : 0;
}

static int
plugin_protect(struct seal *seal, uint64_t pn, const uint8_t *aad, size_t aad_len,
    uint8_t *buf, size_t len, const uint8_t rnd[16])
{
	struct seal_plugin *s = (struct seal_plugin *)seal;
	size_t cap = len + seal->tail;
	int ret;

	if (cap > SEAL_PLUGIN_DATAGRAM_MAX)
		return KCPSHIM_E_RANGE;
	ret = scratch_reserve(s, cap);
	if (ret < 0)
		return ret;
	ret = s->plugin->encrypt(s->context, buf, len, s->scratch, cap, rnd);
	if (ret <= 0 || (size_t)ret > cap)
		return KCPSHIM_E_FORMAT;
	memcpy(buf, s->scratch, (size_t)ret);
	return ret;
}

static int
plugin_open(struct seal *seal, uint64_t pn, const uint8_t *aad, size_t aad_len, uint8_t *buf, size_t len, uint8_t **plain)
{
	struct seal_plugin *s = (struct seal_plugin *)seal;
	int ret;

	if (len == 0)
		return KCPSHIM_E_SHORT;
	if (len > SEAL_PLUGIN_DATAGRAM_MAX)
		return KCPSHIM_E_RANGE;
	ret = scratch_reserve(s, len);
	if (ret < 0)
		return ret;
	ret = s->plugin->decrypt(s->context, buf, len, s->scratch, len);
	if (ret < 0 || (size_t)ret > len)
		return KCPSHIM_E_AUTH;
	memcpy(buf, s->scratch, (size_t)ret);
	*plain = buf;
	return ret;
}

static void
plugin_dispose(struct seal *seal)
{
	struct seal_plugin *s = (struct seal_plugin *)seal;

	s->plugin->context_free(s->context);
	scratch_free(s);
}

static const struct seal_ops plugin_ops = { plugin_room, plugin_protect, plugin_open, plugin_dispose };

struct seal *
seal_plugin_new(struct mem *mem, const struct kcpshim_plugin *plugin, const uint8_t *key, size_t key_len,
    const uint8_t *salt, size_t salt_len, char *err, size_t errlen)
{
	struct seal_plugin *s = mem_alloc(mem, sizeof *s);

	if (errlen > 0)
		err[0] = '\0';
	if (s == NULL)
		return NULL;
	s->seal = (struct seal){ .ops = &plugin_ops, .size = sizeof *s, .tail = plugin->overhead, .suite = SEAL_PLUGIN };
	s->mem = mem;
	s->plugin = plugin;
	s->context = plugin->context_new(key, key_len, salt, salt_len, err, errlen);
	if (s->context == NULL) {
		if (errlen > 0 && err[0] == '\0')
			complain(err, errlen, 0, "%s: no context for this key", plugin->name);
		mem_free(mem, s, sizeof *s);
		return NULL;
	}
	return &s->seal;
}
