#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "checkmain.h"
#include "core/error.h"
#include "core/mem.h"
#include "core/seal.h"
#include "core/seal_plugin.h"
#include "include/kcpshim-plugin.h"

static struct mem *mem;
static void *so;
static const struct kcpshim_plugin *example;
static char err[256];

static void
setup(void)
{
	const char *dir = getenv("top_builddir");
	char path[1024];

	snprintf(path, sizeof path, "%s/examples/.libs/plugin_chacha.so", dir != NULL ? dir : ".");
	mem = mem_new(0);
	so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	ck_assert_msg(so != NULL, "%s", dlerror());
	example = dlsym(so, KCPSHIM_PLUGIN_SYMBOL);
	ck_assert_ptr_nonnull(example);
}

static void
teardown(void)
{
	ck_assert_uint_eq(mem_used(mem), 0);
	mem_destroy(mem);
	dlclose(so);
}

static struct seal *
make_seal(const struct kcpshim_plugin *p, const char *key)
{
	return seal_plugin_new(mem, p, (const uint8_t *)key, strlen(key), (const uint8_t *)"salt", 4, err, sizeof err);
}

START_TEST(example_works)
{
	struct seal *a = make_seal(example, "secret"), *b = make_seal(example, "secret"), *c = make_seal(example, "Secret");
	uint8_t buf[4096], copy[4096], rnd[16] = { 1 }, *plain;

	ck_assert_int_eq(seal_plugin_check(example, "x.so", err, sizeof err), 0);
	ck_assert(a != NULL && b != NULL && c != NULL);
	ck_assert_uint_eq(seal_head(a), 0);
	ck_assert_uint_eq(seal_tail(a), 28);
	ck_assert_uint_eq(seal_room(a, 1428), 1400);
	ck_assert_uint_eq(seal_room(a, 28), 0);
	for (size_t len = 0; len < 4000; len += 97) {
		int sealed;

		rnd[0]++;
		memset(buf, (int)len, len);
		sealed = seal_protect(a, 0, NULL, 0, buf, len, rnd);
		ck_assert_int_eq(sealed, (int)len + 28);
		memcpy(copy, buf, (size_t)sealed);
		ck_assert_int_eq(seal_open(c, 0, NULL, 0, copy, (size_t)sealed, &plain), KCPSHIM_E_AUTH);
		memcpy(copy, buf, (size_t)sealed);
		copy[sealed / 2] ^= 4;
		ck_assert_int_eq(seal_open(b, 0, NULL, 0, copy, (size_t)sealed, &plain), KCPSHIM_E_AUTH);
		ck_assert_int_eq(seal_open(b, 0, NULL, 0, buf, (size_t)sealed, &plain), (int)len);
		ck_assert_ptr_eq(plain, buf);
		for (size_t i = 0; i < len; i++)
			ck_assert_uint_eq(plain[i], (uint8_t)len);
	}
	ck_assert_int_eq(seal_open(b, 0, NULL, 0, buf, 0, &plain), KCPSHIM_E_SHORT);
	ck_assert_int_eq(seal_open(b, 0, NULL, 0, buf, 27, &plain), KCPSHIM_E_AUTH);
	seal_free(mem, a);
	seal_free(mem, b);
	seal_free(mem, c);
}
END_TEST

START_TEST(refusals_are_explained)
{
	struct kcpshim_plugin p = *example;

	ck_assert_ptr_null(make_seal(example, ""));
	ck_assert_str_eq(err, "chacha-example: a key is needed");
	p.abi = 2;
	ck_assert_int_eq(seal_plugin_check(&p, "x.so", err, sizeof err), KCPSHIM_E_VERSION);
	ck_assert_ptr_nonnull(strstr(err, "x.so: made for plugin interface 2 of "));
	p = *example;
	p.size--;
	ck_assert_int_eq(seal_plugin_check(&p, "x.so", err, sizeof err), KCPSHIM_E_VERSION);
	p = *example;
	p.overhead = 65;
	ck_assert_int_eq(seal_plugin_check(&p, "x.so", err, sizeof err), KCPSHIM_E_RANGE);
	ck_assert_str_eq(err, "x.so: overhead of 65 bytes, at most 64 are allowed");
	p = *example;
	p.name = NULL;
	ck_assert_int_eq(seal_plugin_check(&p, "x.so", err, sizeof err), KCPSHIM_E_FORMAT);
	ck_assert_str_eq(err, "x.so: the plugin has no name");
	p = *example;
	p.decrypt = NULL;
	ck_assert_int_eq(seal_plugin_check(&p, "x.so", err, sizeof err), KCPSHIM_E_FORMAT);
	ck_assert_str_eq(err, "x.so: a function of the plugin is missing");
}
END_TEST

static int contexts;
static int answer;

static void *
odd_new(const uint8_t *key, size_t key_len, const uint8_t *salt, size_t salt_len, char *text, size_t textlen)
{
	return key_len == 0 ? NULL : &contexts;
}

static void
odd_free(void *context)
{
	contexts--;
}

static int
odd_encrypt(void *context, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_cap, const uint8_t random[16])
{
	memcpy(out, in, in_len);
	return answer;
}

static int
odd_decrypt(void *context, const uint8_t *in, size_t in_len, uint8_t *out, size_t out_cap)
{
	memcpy(out, in, in_len);
	return answer;
}

/* Whatever lengths a plugin claims, the buffer of the datagram is not left. */
START_TEST(lying_plugins)
{
	static const struct kcpshim_plugin odd = { KCPSHIM_PLUGIN_ABI, sizeof odd, "odd", 4, 0,
		odd_new, odd_free, odd_encrypt, odd_decrypt };
	uint8_t buf[70000] = { 0 }, rnd[16] = { 0 }, *plain;
	struct seal *seal;

	contexts = 1;
	ck_assert_ptr_null(make_seal(&odd, ""));
	ck_assert_str_eq(err, "odd: no context for this key");
	seal = make_seal(&odd, "k");
	answer = 104;
	ck_assert_int_eq(seal_protect(seal, 0, NULL, 0, buf, 100, rnd), 104);
	answer = 105;
	ck_assert_int_eq(seal_protect(seal, 0, NULL, 0, buf, 100, rnd), KCPSHIM_E_FORMAT);
	answer = 0;
	ck_assert_int_eq(seal_protect(seal, 0, NULL, 0, buf, 100, rnd), KCPSHIM_E_FORMAT);
	answer = -1;
	ck_assert_int_eq(seal_protect(seal, 0, NULL, 0, buf, 100, rnd), KCPSHIM_E_FORMAT);
	ck_assert_int_eq(seal_open(seal, 0, NULL, 0, buf, 100, &plain), KCPSHIM_E_AUTH);
	answer = 101;
	ck_assert_int_eq(seal_open(seal, 0, NULL, 0, buf, 100, &plain), KCPSHIM_E_AUTH);
	answer = 100;
	ck_assert_int_eq(seal_open(seal, 0, NULL, 0, buf, 100, &plain), 100);
	answer = 60000;
	ck_assert_int_eq(seal_open(seal, 0, NULL, 0, buf, 60000, &plain), 60000);
	ck_assert_int_eq(seal_open(seal, 0, NULL, 0, buf, 65536, &plain), KCPSHIM_E_RANGE);
	ck_assert_int_eq(seal_protect(seal, 0, NULL, 0, buf, 65532, rnd), KCPSHIM_E_RANGE);
	seal_free(mem, seal);
	ck_assert_int_eq(contexts, 0);
}
END_TEST

int
main(void)
{
	TCase *tc = tcase_create("seal_plugin");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, example_works);
	tcase_add_test(tc, refusals_are_explained);
	tcase_add_test(tc, lying_plugins);
	return check_main("seal_plugin", tc);
}
