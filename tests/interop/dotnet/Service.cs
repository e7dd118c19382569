// Microsoft's .NET client, which the answer to negotiate sends to a managed service. Run by ../test_managed_service.py:
//
//     dotnet exec Service.dll URL USER json|messagepack
//
// It writes what it is told, answers `Double`, and ends when it was closed, with the reason.
using System;
using System.Threading.Tasks;
using Microsoft.AspNetCore.SignalR.Client;
using Microsoft.Extensions.DependencyInjection;

static class Program
{
    static void Main(string[] arguments)
    {
        Run(arguments).GetAwaiter().GetResult();
    }

    static async Task Run(string[] arguments)
    {
        var builder = new HubConnectionBuilder();
        builder.WithUrl(arguments[0], options => { options.Headers.Add("x-user", arguments[1]); });
        if (arguments[2] == "messagepack") builder.AddMessagePackProtocol();
        var connection = builder.Build();
        var closed = new TaskCompletionSource<string>();
        connection.On<string>("Told", text => { Console.WriteLine("told " + text); });
        connection.On<int, int>("Double", value => value * 2);
        connection.Closed += error => { closed.TrySetResult(error == null ? "" : error.Message); return Task.CompletedTask; };
        await connection.StartAsync();
        Console.WriteLine("closed " + await closed.Task);
    }
}
