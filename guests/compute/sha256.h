/* SHA-256 as in FIPS 180-4. */
#pragma once
#include <stddef.h>
#include <stdint.h>

void sha256(const void *data, size_t length, uint8_t digest[32]);
