// expect: runtime_error, wrong_output
#include <cstdlib>
int main() { return system("echo pwned > @HOME@/pwned") ? 23 : 0; }
