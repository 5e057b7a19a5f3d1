// expect: time_limit
#include <unistd.h>
struct Late { ~Late() { for (volatile int x = 0;; x = x + 1) {} } } late;
int main() { write(1, "5", 1); }
