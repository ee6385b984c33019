/* Finds the arena of one model after another, read from files of the host: FOLDER/00.tflite, FOLDER/01.tflite, ...
 *
 * Goes into lib/model of an emitted project, for its flags, and is called by main(). The test fills in headers,
 * operators and FOLDER. QEMU only.
 */
#include <cstdint>
#include <cstring>
#include <new>

#include "board.h"
#include "model_arena.h"
@HEADERS@

namespace {

using Resolver = tflite::MicroMutableOpResolver<64>;

enum : int { kOpen = 1, kRead = 6, kLength = 12 };

alignas(16) uint8_t file[960 * 1024];
alignas(16) uint8_t arena[640 * 1024];

int semihosting(int operation, const volatile void *arguments)
{
    register int result __asm__("r0") = operation;
    register const volatile void *block __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(result) : "r"(block) : "memory");
    return result;
}

bool read_model(unsigned number)
{
    static char name[] = "@FOLDER@/00.tflite";
    char *const digits = strrchr(name, '/') + 1;
    digits[0] = static_cast<char>('0' + number / 10u);
    digits[1] = static_cast<char>('0' + number % 10u);
    const uintptr_t open[] = {reinterpret_cast<uintptr_t>(name), 1u, strlen(name)};
    const int handle = semihosting(kOpen, open);
    if (handle < 0)
        return false;
    const uintptr_t of[] = {static_cast<uintptr_t>(handle)};
    const int bytes = semihosting(kLength, of);
    const uintptr_t read[] = {of[0], reinterpret_cast<uintptr_t>(file), static_cast<uintptr_t>(bytes)};
    return bytes > 0 && static_cast<size_t>(bytes) <= sizeof file && semihosting(kRead, read) == 0;
}

} // namespace

extern "C" void many_models(void)
{
    /* In place: a static object would bring along what destroys it at exit. */
    alignas(Resolver) static uint8_t place[sizeof(Resolver)];
    Resolver &resolver = *new (place) Resolver;
    static const char end[] = "MN,begin,2\r\nMN,end\r\n";

    board_init();
    @OPERATORS@
    for (unsigned number = 0; read_model(number); number++)
        model_arena_probe(tflite::GetModel(file), resolver, arena, sizeof arena);
    board_write(end, strlen(end));
    board_exit(0);
}
