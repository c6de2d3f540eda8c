/* crc32c: the Castagnoli checksum of RFC 3720 12.1, which ends unsealed datagrams. */
#ifndef KCPSHIM_CRC32C_H
#define KCPSHIM_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Checksum of what `crc` is the checksum of (0: nothing), followed by data[0..len), less than 2 GiB. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
