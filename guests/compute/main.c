/*
 * Nothing but unprivileged instructions: what a monitor should run at full speed.
 * Hashing, sorting and a sieve, each compared with a known answer. `rounds=N` on the command line repeats it all
 * (a round takes about 30 million instructions).
 */
#include "../compute/sha256.h"
#include "runtime.h"

enum { BUFFER = 64 << 10, COUNT = 20000, LIMIT = 1000000, DEFAULT_ROUNDS = 1 };

static uint8_t buffer[BUFFER];
static uint64_t keys[COUNT];
static uint8_t composite[LIMIT + 1];

/* xorshift64, Marsaglia 2003 */
static uint64_t next_random(uint64_t *state) {
  uint64_t x = *state;
  x ^= x << 13;
  x ^= x >> 7;
  x ^= x << 17;
  return *state = x;
}

static void to_hex(const uint8_t digest[32], char hex[65]) {
  for (int i = 0; i < 64; i++) hex[i] = "0123456789abcdef"[digest[i / 2] >> (i % 2 ? 0 : 4) & 15];
  hex[64] = 0;
}

/* Prints one line; counts a wrong answer. */
static int check(const char *name, const char *got, const char *expected) {
  int wrong = memcmp(got, expected, 65) != 0;
  print("%s %s%s\n", name, got, wrong ? "  WRONG" : "");
  return wrong;
}

static int check_hash(const char *name, const void *data, size_t length, const char *expected) {
  uint8_t digest[32];
  char hex[65];
  sha256(data, length, digest);
  to_hex(digest, hex);
  return check(name, hex, expected);
}

static int check_number(const char *name, uint64_t got, uint64_t expected) {
  print("%s %lu%s\n", name, got, got == expected ? "" : "  WRONG");
  return got != expected;
}

static void swap(uint64_t *a, uint64_t *b) {
  uint64_t t = *a;
  *a = *b;
  *b = t;
}

/* Hoare's partition; recursion on the smaller part keeps the stack shallow. */
static void quicksort(uint64_t *a, size_t n) {
  while (n > 1) {
    uint64_t pivot = a[(n - 1) / 2];
    size_t i = 0, j = n - 1;
    for (;; i++, j--) {
      while (a[i] < pivot) i++;
      while (a[j] > pivot) j--;
      if (i >= j) break;
      swap(a + i, a + j);
    }
    size_t left = j + 1;
    if (left < n - left) {
      quicksort(a, left);
      a += left, n -= left;
    } else {
      quicksort(a + left, n - left);
      n = left;
    }
  }
}

static void sift_down(uint64_t *a, size_t root, size_t n) {
  for (size_t child; (child = 2 * root + 1) < n; root = child) {
    if (child + 1 < n && a[child] < a[child + 1]) child++;
    if (a[root] >= a[child]) return;
    swap(a + root, a + child);
  }
}

static void heapsort(uint64_t *a, size_t n) {
  for (size_t root = n / 2; root-- > 0;) sift_down(a, root, n);
  while (n > 1) {
    swap(a, a + --n);
    sift_down(a, 0, n);
  }
}

static int hashes(void) {
  uint64_t state = 1;
  for (int i = 0; i < BUFFER; i++) buffer[i] = (uint8_t)next_random(&state);
  return check_hash("sha256 empty  ", "", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") +
         check_hash("sha256 abc    ", "abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") +
         check_hash("sha256 448 bit", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
                    "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1") +
         check_hash("sha256 64 KiB ", buffer, BUFFER, "2c1abdd0fad1ba5c64887470457b0ef58e8d1dd27386c6e96d2faed257af2f8f");
}

/* FNV-1a, a word at a time: tells one order of the keys from another */
static uint64_t fnv1a(const uint64_t *words, size_t n) {
  uint64_t hash = 0xcbf29ce484222325;
  for (size_t i = 0; i < n; i++) hash = (hash ^ words[i]) * 0x100000001b3;
  return hash;
}

static int sorts(void) {
  static void (*const sort[])(uint64_t *, size_t) = {quicksort, heapsort};
  static const char *const name[] = {"quicksort     ", "heapsort      "};
  int wrong = 0;
  for (int s = 0; s < 2; s++) {
    uint64_t state = 2;
    for (int i = 0; i < COUNT; i++) keys[i] = next_random(&state);
    sort[s](keys, COUNT);
    wrong += check_number(name[s], fnv1a(keys, COUNT), 1804854032560236930u);
  }
  return wrong;
}

static int sieve(void) {
  memset(composite, 0, sizeof composite);
  for (uint64_t p = 2; p * p <= LIMIT; p++)
    if (!composite[p])
      for (uint64_t m = p * p; m <= LIMIT; m += p) composite[m] = 1;

  uint64_t count = 0, sum = 0, largest = 0;
  for (uint64_t n = 2; n <= LIMIT; n++)
    if (!composite[n]) count++, sum += n, largest = n;
  return check_number("primes         count", count, 78498) + check_number("primes         sum", sum, 37550402023) +
         check_number("primes         largest", largest, 999983);
}

int main(const struct multiboot *info) {
  uint64_t rounds = option(info, "rounds", DEFAULT_ROUNDS);
  int wrong = 0;
  for (uint64_t round = 1; round <= rounds; round++) {
    print("round %lu of %lu\n", round, rounds);
    wrong += hashes() + sorts() + sieve();
  }
  if (wrong) {
    print("compute: %u wrong answers\n", (unsigned)wrong);
    return 1;
  }
  print("compute: all answers right\n");
  return 0;
}
