/* Links the static library with nothing but libc, and runs it. */
#include <stddef.h>

size_t diesel_echo(void);

int main(void) { return diesel_echo() == 17 ? 0 : 1; }
