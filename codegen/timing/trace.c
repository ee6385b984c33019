/* Adds up modelled cycles while unicorn executes: called for each block of code and for each access to data.
 *
 * What a block costs in the pipeline comes from Python, once for each state in which the block is entered. What
 * depends on addresses and on history is modelled here: caches, wait states, unaligned accesses, banks, branch
 * prediction. The structures are those of native.py.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum cause { ISSUE, DEPENDENCIES, LOADS, BRANCHES, ALIGNMENT, FETCH, DATA, CAUSES };
enum leaving { FALLS, ALWAYS, CONDITIONAL, CALL, RETURN, INDIRECT };
enum { READ_ACCESS = 16, REGIONS = 16, CACHES = 4, RETURNS = 8, MARKS = 2, NONE = -1 };

#define IT_BITS 0x0600FC00u

struct cache {
    uint32_t line_shift, sets, ways, random;
};

struct region {
    uint32_t first, last;
    int32_t fetch_cache, data_cache;
    uint32_t fetch_miss, fetch_next, data_miss, store_miss;
};

struct settings {
    uint32_t regions, caches;
    struct region region[REGIONS];
    struct cache cache[CACHES];
    uint32_t unaligned_half, unaligned_word, odd_word, bank_conflict, predicts;
};

/* One block of code as it lies in memory. */
struct block {
    uint32_t address, size, instructions, leaving, it_memory;
    int32_t last_state, last_row;
    uint32_t target;
    uint8_t counter;
};

/* One block entered in one state of the pipeline. */
struct row {
    int32_t block, state;
    int32_t cycles[CAUSES]; /* negative: what the block before has paid and this one hides */
    uint32_t taken, not_taken, mispredicted;
    int32_t state_taken, state_not_taken;
    uint64_t paired; /* bit n: access n to data issues with access n - 1 */
};

typedef int32_t (*learn_block)(uint32_t address, uint32_t size);
typedef int32_t (*learn_row)(int32_t block, int32_t state);
typedef void (*marked)(uint32_t address);
typedef int (*registers_read)(void *, int, void *);
typedef int (*registers_write)(void *, int, const void *);

struct lines {
    uint32_t *tags, *ages;
    uint32_t clock;
};

struct trace {
    struct settings settings;
    struct lines lines[CACHES];
    learn_block learn_block;
    learn_row learn_row;
    marked marked;
    uint32_t marks[MARKS]; /* addresses of blocks whose entry is reported; odd: none */
    registers_read read;
    registers_write write;
    int xpsr;

    struct block *blocks;
    struct row *rows;
    uint32_t block_count, row_count, block_room, row_room;
    int32_t *by_address, *by_state; /* twice as many places as there is room for blocks and rows */

    int32_t row; /* of the block under way; NONE before the first */
    int32_t state;
    uint32_t access; /* data accesses of the block under way */
    uint32_t last_address;
    uint32_t next_line;
    uint32_t returns[RETURNS], depth;
    uint32_t random;
    uint64_t instructions, cycles[CAUSES], accesses, misses[CACHES];
    bool broken;
};

static uint32_t mix(uint32_t a, uint32_t b)
{
    uint32_t h = a * 0x9E3779B1u ^ b * 0x85EBCA77u;
    return h ^ h >> 15;
}

/* The caches. Tags hold the line's address and a bit that says that there is one. */

static bool look_up(struct trace *t, int32_t index, uint32_t address)
{
    const struct cache *cache = &t->settings.cache[index];
    struct lines *lines = &t->lines[index];
    const uint32_t line = address >> cache->line_shift;
    uint32_t *tags = &lines->tags[line % cache->sets * cache->ways];
    uint32_t *ages = &lines->ages[line % cache->sets * cache->ways];
    uint32_t victim = 0;

    lines->clock++;
    for (uint32_t way = 0; way < cache->ways; way++) {
        if (tags[way] == line + 1u) {
            ages[way] = lines->clock;
            return true;
        }
        if (ages[way] < ages[victim]) {
            victim = way;
        }
    }
    if (cache->random && ages[victim] != 0u) {
        t->random = t->random * 1664525u + 1013904223u;
        victim = (t->random >> 16) % cache->ways;
    }
    tags[victim] = line + 1u;
    ages[victim] = lines->clock;
    t->misses[index]++;
    return false;
}

static bool holds(const struct trace *t, int32_t index, uint32_t address)
{
    const struct cache *cache = &t->settings.cache[index];
    const uint32_t line = address >> cache->line_shift;
    const uint32_t *tags = &t->lines[index].tags[line % cache->sets * cache->ways];
    for (uint32_t way = 0; way < cache->ways; way++) {
        if (tags[way] == line + 1u) {
            return true;
        }
    }
    return false;
}

static const struct region *region_of(const struct trace *t, uint32_t address)
{
    for (uint32_t i = 0; i < t->settings.regions; i++) {
        const struct region *region = &t->settings.region[i];
        if (address - region->first <= region->last - region->first) {
            return region;
        }
    }
    return NULL;
}

static void fetch(struct trace *t, uint32_t address, uint32_t size)
{
    const struct region *region = region_of(t, address);
    if (region == NULL || region->fetch_cache == NONE) {
        return;
    }
    const uint32_t shift = t->settings.cache[region->fetch_cache].line_shift;
    const uint32_t last = (address + size - 1u) >> shift;
    for (uint32_t line = address >> shift; line <= last; line++) {
        const bool follows = line == t->next_line;
        if (!look_up(t, region->fetch_cache, line << shift)) {
            t->cycles[FETCH] += follows ? region->fetch_next : region->fetch_miss;
        }
        t->next_line = line + 1u;
    }
}

static void load_or_store(struct trace *t, uint32_t address, uint32_t size, bool load)
{
    const struct settings *s = &t->settings;
    if (load && size == 2u && address & 1u) {
        t->cycles[LOADS] += s->unaligned_half;
    } else if (load && size == 4u && address & 3u) {
        t->cycles[LOADS] += address & 1u ? s->odd_word : s->unaligned_word;
    }
    const struct region *region = region_of(t, address);
    if (region == NULL) {
        return;
    }
    const uint32_t miss = load ? region->data_miss : region->store_miss;
    if (region->data_cache == NONE) {
        t->cycles[DATA] += miss;
        return;
    }
    if (!load && !holds(t, region->data_cache, address)) {
        t->cycles[DATA] += miss;
        return;
    }
    const uint32_t shift = s->cache[region->data_cache].line_shift;
    const uint32_t last = (address + size - 1u) >> shift;
    for (uint32_t line = address >> shift; line <= last; line++) {
        if (!look_up(t, region->data_cache, line << shift)) {
            t->cycles[DATA] += miss;
        }
    }
}

/* The branch that ends a block: whether the core foresaw where it goes. */

static bool foreseen(struct trace *t, struct block *block, bool taken, uint32_t next)
{
    if (!taken && block->leaving != CONDITIONAL) {
        return true;
    }
    switch (block->leaving) {
    case CONDITIONAL: {
        const bool guess = block->counter >= 2u;
        if (taken && block->counter < 3u) {
            block->counter++;
        } else if (!taken && block->counter > 0u) {
            block->counter--;
        }
        return guess == taken;
    }
    case CALL:
        t->returns[t->depth++ % RETURNS] = block->address + block->size;
        break;
    case RETURN:
        return t->depth > 0u && t->returns[--t->depth % RETURNS] == next;
    case INDIRECT:
        break;
    default:
        return true;
    }
    const bool same = block->target == next;
    block->target = next;
    return same;
}

static void finish(struct trace *t, uint32_t next)
{
    const struct row *row = &t->rows[t->row];
    struct block *block = &t->blocks[row->block];
    const bool taken = next != block->address + block->size;

    t->instructions += block->instructions;
    for (int cause = 0; cause < CAUSES; cause++) {
        t->cycles[cause] += (uint64_t)row->cycles[cause]; /* modulo 2^64: negative ones, too */
    }
    t->cycles[BRANCHES] += taken ? row->taken : row->not_taken;
    if (t->settings.predicts && !foreseen(t, block, taken, next)) {
        t->cycles[BRANCHES] += row->mispredicted;
    }
    t->state = taken ? row->state_taken : row->state_not_taken;
}

/* Tables that grow: open addressing, at most half full. A table that cannot grow ends the trace. */

static void place(int32_t *table, uint32_t room, uint32_t hash, int32_t value)
{
    while (table[hash & (room - 1u)] != NONE) {
        hash++;
    }
    table[hash & (room - 1u)] = value;
}

static bool grow(void **items, size_t item_size, uint32_t *room, int32_t **table)
{
    void *more = realloc(*items, (size_t)*room * 2u * item_size);
    if (more == NULL) {
        return false;
    }
    *items = more;
    const size_t bytes = (size_t)*room * 4u * sizeof **table;
    int32_t *wider = realloc(*table, bytes);
    if (wider == NULL) {
        return false;
    }
    *room *= 2u;
    *table = wider;
    memset(wider, 0xFF, bytes);
    return true;
}

static uint32_t block_hash(const struct block *block)
{
    return mix(block->address, block->size);
}

static uint32_t row_hash(const struct row *row)
{
    return mix((uint32_t)row->block, (uint32_t)row->state);
}

int32_t trace_add_block(struct trace *t, const struct block *block)
{
    if (t->block_count == t->block_room) {
        if (!grow((void **)&t->blocks, sizeof *t->blocks, &t->block_room, &t->by_address)) {
            return NONE;
        }
        for (uint32_t i = 0; i < t->block_count; i++) {
            place(t->by_address, t->block_room * 2u, block_hash(&t->blocks[i]), (int32_t)i);
        }
    }
    const int32_t index = (int32_t)t->block_count++;
    t->blocks[index] = *block;
    t->blocks[index].last_state = NONE;
    t->blocks[index].counter = 1u;
    place(t->by_address, t->block_room * 2u, block_hash(block), index);
    return index;
}

int32_t trace_add_row(struct trace *t, const struct row *row)
{
    if (t->row_count == t->row_room) {
        if (!grow((void **)&t->rows, sizeof *t->rows, &t->row_room, &t->by_state)) {
            return NONE;
        }
        for (uint32_t i = 0; i < t->row_count; i++) {
            place(t->by_state, t->row_room * 2u, row_hash(&t->rows[i]), (int32_t)i);
        }
    }
    const int32_t index = (int32_t)t->row_count++;
    t->rows[index] = *row;
    place(t->by_state, t->row_room * 2u, row_hash(row), index);
    return index;
}

static int32_t find_block(struct trace *t, uint32_t address, uint32_t size)
{
    for (uint32_t hash = mix(address, size);; hash++) {
        const int32_t index = t->by_address[hash & (t->block_room * 2u - 1u)];
        if (index == NONE) {
            return t->learn_block(address, size);
        }
        if (t->blocks[index].address == address && t->blocks[index].size == size) {
            return index;
        }
    }
}

static int32_t find_row(struct trace *t, int32_t block, int32_t state)
{
    if (t->blocks[block].last_state == state) {
        return t->blocks[block].last_row;
    }
    int32_t found = NONE;
    for (uint32_t hash = mix((uint32_t)block, (uint32_t)state); found == NONE; hash++) {
        const int32_t index = t->by_state[hash & (t->row_room * 2u - 1u)];
        if (index == NONE) {
            found = t->learn_row(block, state);
            if (found == NONE) {
                return NONE;
            }
        } else if (t->rows[index].block == block && t->rows[index].state == state) {
            found = index;
        }
    }
    t->blocks[block].last_state = state;
    t->blocks[block].last_row = found;
    return found;
}

/* Unicorn's hooks. */

void trace_block(void *engine, uint64_t address, uint32_t size, void *data)
{
    struct trace *t = data;
    (void)engine;
    if (t->broken) {
        return;
    }
    if (t->row != NONE) {
        finish(t, (uint32_t)address);
    }
    t->row = NONE;
    t->access = 0;
    for (int i = 0; i < MARKS; i++) {
        if ((uint32_t)address == t->marks[i]) {
            t->marked((uint32_t)address);
        }
    }
    const int32_t block = find_block(t, (uint32_t)address, size);
    if (block == NONE) {
        t->broken = true;
        return;
    }
    t->row = find_row(t, block, t->state);
    if (t->row == NONE) {
        t->broken = true;
        return;
    }
    fetch(t, (uint32_t)address, size);
}

void trace_access(void *engine, int type, uint64_t address, int size, int64_t value, void *data)
{
    struct trace *t = data;
    (void)value;
    if (t->broken || t->row == NONE) {
        return;
    }
    const struct row *row = &t->rows[t->row];
    if (t->blocks[row->block].it_memory) {
        /* Unicorn leaves the IT bits of the middle of the block for the block that comes next. */
        uint32_t xpsr = 0;
        t->read(engine, t->xpsr, &xpsr);
        if (xpsr & IT_BITS) {
            xpsr &= ~IT_BITS;
            t->write(engine, t->xpsr, &xpsr);
        }
    }
    t->accesses++;
    const bool paired = t->access < 64u && (row->paired >> t->access & 1u) != 0u;
    if (paired && (((uint32_t)address ^ t->last_address) & 4u) == 0u) {
        t->cycles[LOADS] += t->settings.bank_conflict;
    }
    t->access++;
    t->last_address = (uint32_t)address;
    load_or_store(t, (uint32_t)address, (uint32_t)size, type == READ_ACCESS);
}

/* Creation and results. */

void trace_free(struct trace *t)
{
    if (t == NULL) {
        return;
    }
    for (int i = 0; i < CACHES; i++) {
        free(t->lines[i].tags);
        free(t->lines[i].ages);
    }
    free(t->blocks);
    free(t->rows);
    free(t->by_address);
    free(t->by_state);
    free(t);
}

struct trace *trace_new(learn_block learn_block, learn_row learn_row, registers_read read, registers_write write,
                        int xpsr)
{
    struct trace *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    t->learn_block = learn_block;
    t->learn_row = learn_row;
    t->read = read;
    t->write = write;
    t->xpsr = xpsr;
    for (int i = 0; i < MARKS; i++) {
        t->marks[i] = 1u;
    }
    t->row = NONE;
    t->block_room = t->row_room = 512u;
    if (!grow((void **)&t->blocks, sizeof *t->blocks, &t->block_room, &t->by_address) ||
        !grow((void **)&t->rows, sizeof *t->rows, &t->row_room, &t->by_state)) {
        trace_free(t);
        return NULL;
    }
    return t;
}

/* Sets up the memories, every cache empty. */
bool trace_configure(struct trace *t, const struct settings *settings)
{
    t->settings = *settings;
    for (uint32_t i = 0; i < settings->caches; i++) {
        const size_t count = (size_t)settings->cache[i].sets * settings->cache[i].ways;
        free(t->lines[i].tags);
        free(t->lines[i].ages);
        t->lines[i] = (struct lines){calloc(count, sizeof(uint32_t)), calloc(count, sizeof(uint32_t)), 0};
        t->misses[i] = 0;
        if (t->lines[i].tags == NULL || t->lines[i].ages == NULL) {
            t->broken = true;
        }
    }
    return !t->broken;
}

void trace_mark(struct trace *t, const uint32_t addresses[MARKS], marked marked)
{
    memcpy(t->marks, addresses, sizeof t->marks);
    t->marked = marked;
}

/* Instructions, cycles by cause, accesses to data and misses of each cache, of all blocks that are complete. */
bool trace_read(const struct trace *t, uint64_t counts[1 + CAUSES + 1 + CACHES])
{
    *counts++ = t->instructions;
    memcpy(counts, t->cycles, sizeof t->cycles);
    counts += CAUSES;
    *counts++ = t->accesses;
    memcpy(counts, t->misses, sizeof t->misses);
    return !t->broken;
}
